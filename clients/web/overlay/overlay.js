// @ts-check
/**
 * Captions to be laid over a picture, in OBS for example: `/overlay?session=FOLLOW_ID&size=48&lines=3`;
 * `options.js` says what else the address may hold.
 */

import { CaptionView } from "../captions/captions.js";
import { byId, timeNow } from "../captions/dom.js";
import { FollowedCaptions } from "../captions/followed.js";
import { dress, putMarkBehindWords } from "./looks.js";
import { readOptions } from "./options.js";

/** @typedef {import("../captions/followed.js").State} State */
/** @typedef {import("../protocol/client.js").ServerEvent} ServerEvent */
/** @typedef {import("./options.js").OverlayOptions} OverlayOptions */

const KEPT_CAPTIONS = 8;

class Overlay {
  #quiet = 0;

  /**
   * @param {OverlayOptions} options
   * @param {string[]} problems with the address
   */
  constructor(options, problems) {
    this.options = options;
    this.problems = problems;
    this.message = byId("message", HTMLElement);
    this.list = byId("lines", HTMLElement);
    const root = byId("captions", HTMLElement);
    dress(root, options);
    this.captions = new CaptionView({
      list: this.list,
      scroller: root,
      announcer: byId("announcer", HTMLElement),
      // Nobody can scroll an overlay, so nobody needs a way back.
      toLive: document.createElement("button"),
    });
    this.captions.emotionShown = options.emotion;
  }

  /** @param {string} followId */
  follow(followId) {
    const followed = new FollowedCaptions(this.captions, {
      onState: (state, said) => this.#show(explanation(state, said)),
      onSession: () => this.#clear(),
      onGap: () => this.#clear(),
      onEvent: (event) => this.#notice(event),
    });
    followed.follow(window.location, followId);
  }

  /** @param {ServerEvent} event */
  #notice(event) {
    if (event.type === "words" && event.words.length > 0) this.#speaks();
    if (event.type === "sound" && typeof event.end_ms !== "number") this.#speaks();
    if (event.type === "segment") {
      putMarkBehindWords(this.list);
      this.#forget();
    }
    if (event.type === "emotion") document.body.dataset.emotion = event.emotion.label;
  }

  #clear() {
    this.captions.clear();
    delete document.body.dataset.emotion;
  }

  #speaks() {
    document.body.classList.remove("quiet");
    clearTimeout(this.#quiet);
    if (this.options.hold === 0) return;
    this.#quiet = setTimeout(() => document.body.classList.add("quiet"), 1000 * this.options.hold);
  }

  /** An overlay may be open for days. */
  #forget() {
    while (this.list.childElementCount > KEPT_CAPTIONS) this.list.firstElementChild?.remove();
  }

  /** @param {string} said of the connection; empty if all is well */
  #show(said) {
    if (this.options.messages === "off") return;
    const text = [...this.problems, said].filter(Boolean).join(" ");
    // Writing the same text again would have it read out again.
    if (this.message.textContent !== text) this.message.textContent = text;
    this.message.hidden = text === "";
  }
}

/**
 * @param {State} state
 * @param {string} said by the server
 */
function explanation(state, said) {
  switch (state) {
    case "incomplete":
      return "This address is not whole: copy it again from where captions are shared.";
    case "waiting":
      return "Nobody speaks under this address now. If somebody does, it is an old one: copy it again.";
    case "ended":
      return `Ended at ${timeNow()}.`;
    case "cut":
      return "The connection is cut; it is tried again.";
    case "refused":
      return said;
    default:
      return "";
  }
}

const query = new URLSearchParams(window.location.search);
const { options, problems } = readOptions(query);
new Overlay(options, problems).follow(query.get("session") ?? "");
