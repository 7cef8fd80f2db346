// @ts-check
/** The page for those who read along: `/read?session=FOLLOW_ID`, and `&emotion=off` as an overlay. */

import { CaptionView } from "../captions/captions.js";
import { byId, element, timeNow } from "../captions/dom.js";
import { isEmotionShown } from "../captions/emotion-shown.js";
import { FollowedCaptions } from "../captions/followed.js";
import { bindReaderSettings } from "./settings.js";

/** @typedef {import("../captions/followed.js").State} State */

/** The colours of the status, as the caption page has them.
 *  @type {Record<State, string>} */
const TONES = {
  incomplete: "alarm",
  connecting: "busy",
  live: "live",
  waiting: "busy",
  ended: "",
  cut: "alarm",
  refused: "alarm",
};
const STAYS = "What was said stays here.";

class Reader {
  /** @param {URLSearchParams} query */
  constructor(query) {
    this.status = byId("status", HTMLElement);
    this.statusText = byId("status-text", HTMLElement);
    this.list = byId("lines", HTMLElement);
    const shown = query.get("emotion");
    const captions = new CaptionView({
      list: this.list,
      scroller: byId("captions", HTMLElement),
      announcer: byId("announcer", HTMLElement),
      toLive: byId("to-live", HTMLButtonElement),
    });
    captions.emotionShown = isEmotionShown(shown) ? shown : "subtle";
    document.documentElement.dataset.emotionShown = captions.emotionShown;
    const followed = new FollowedCaptions(captions, {
      onState: (state, said) => this.#show(state, said),
      onSession: (isFirst) => {
        if (!isFirst) this.#divide(`A new session, ${timeNow()}`);
      },
      onGap: () => this.#divide("What was said before is not told any more."),
      onEvent: () => {},
    });
    followed.follow(window.location, query.get("session") ?? "");
  }

  /** @param {string} text */
  #divide(text) {
    this.list.append(element("li", "divider", text));
  }

  /**
   * @param {State} state
   * @param {string} said by the server
   */
  #show(state, said) {
    this.status.dataset.state = state;
    this.status.dataset.tone = TONES[state];
    const text = this.#explanation(state, said);
    // The status is a live region: writing the same text again would have it read out again.
    if (this.statusText.textContent !== text) this.statusText.textContent = text;
  }

  /**
   * @param {State} state
   * @param {string} said
   */
  #explanation(state, said) {
    const isEmpty = this.list.childElementCount === 0;
    switch (state) {
      case "incomplete":
        return "This address is not whole. Ask for it again, or scan its code again.";
      case "connecting":
        return "Connecting";
      case "live":
        return "Live";
      case "waiting":
        return isEmpty
          ? "Nobody speaks under this address now. Captions appear here as soon as somebody does; if somebody does already, ask for the address again."
          : `Nobody speaks now. ${STAYS}`;
      case "ended":
        return `Ended at ${timeNow()}. ${STAYS}`;
      case "cut":
        return "No connection; it is tried again.";
      case "refused":
        return said;
    }
  }
}

bindReaderSettings();
new Reader(new URLSearchParams(window.location.search));
