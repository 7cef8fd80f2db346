// @ts-check
/** Tells those who do not see the lines what is said, by whom, and how. */

import { element } from "./dom.js";
import { isSure } from "./emotion-shown.js";
import { isSameVoice } from "./names.js";

/** @typedef {import("../protocol/transcript.js").Caption} Caption */
/** @typedef {import("./emotion-shown.js").EmotionShown} EmotionShown */

const KEPT = 12;

export class Announcer {
  #emotion = "";
  /** @type {Caption | undefined} whose voice was named last */
  #named;

  /** @param {HTMLElement} region live */
  constructor(region) {
    this.region = region;
  }

  /** @param {string} text */
  say(text) {
    this.region.append(element("p", "", text));
    while (this.region.childElementCount > KEPT) this.region.firstElementChild?.remove();
  }

  /**
   * Says who speaks, where that changes.
   *
   * @param {Caption} caption
   */
  name(caption) {
    if (!caption.speaker || isSameVoice(caption, this.#named)) return;
    this.#named = { ...caption };
    this.say(`${caption.speaker}:`);
  }

  /**
   * Says the emotion that is shown, where that changes.
   *
   * @param {string} label
   * @param {EmotionShown} shown
   */
  emotion(label, shown) {
    if (label === "unknown" || label === this.#emotion) return;
    this.#emotion = label;
    if (shown === "full" || (shown !== "off" && isSure(label))) this.say(`(${label})`);
  }
}
