// @ts-check
/** The rest of the status line: how far captions are behind, the language, the feeling that is shown. */

import { byId, languageName } from "../../captions/dom.js";

/** @typedef {import("../../captions/emotion-shown.js").EmotionShown} EmotionShown */
/** @typedef {import("../../protocol/client.js").ServerEvent} ServerEvent */

export class Summary {
  constructor() {
    this.behind = byId("behind", HTMLElement);
    this.language = byId("summary-language", HTMLElement);
    this.feeling = byId("summary-feeling", HTMLElement);
  }

  reset() {
    this.behind.textContent = this.language.textContent = "";
  }

  /** @param {number} behindMs from the end of a word in the air to its first showing here */
  showBehind(behindMs) {
    const s = behindMs / 1000;
    this.behind.textContent = `about ${s < 10 ? Math.max(0.1, s).toFixed(1) : Math.round(s)} s behind`;
  }

  /** @param {EmotionShown} shown */
  showFeeling(shown) {
    this.feeling.textContent = `feeling ${shown}`;
  }

  /** @param {ServerEvent} event */
  handle(event) {
    if (event.type !== "ready" && event.type !== "language") return;
    const { language } = event;
    if (language === "auto") this.language.textContent = "finding out the language";
    else if (language) this.language.textContent = languageName(language);
  }
}
