// @ts-check
/** The setting of how much of the voice is shown, and what the server allows. */

import { byId } from "../captions/dom.js";
import { isEmotionShown } from "../captions/emotion-shown.js";
import { savePreferences } from "./preferences.js";

/** @typedef {import("../captions/emotion-shown.js").EmotionShown} EmotionShown */
/** @typedef {import("./preferences.js").Preferences} Preferences */

export class EmotionSetting {
  /** Of the server: `on`, `opt-in` or `off`. */
  #policy = "on";

  /**
   * @param {Preferences} preferences
   * @param {(shown: EmotionShown) => void} onChange called at once, and whenever it changes
   */
  constructor(preferences, onChange) {
    this.preferences = preferences;
    this.onChange = onChange;
    this.choice = byId("emotion-shown", HTMLSelectElement);
    this.hint = byId("emotion-hint", HTMLElement);
    this.choice.addEventListener("change", () => {
      preferences.emotionShown = this.choice.value;
      savePreferences(preferences);
      this.#apply();
    });
    this.#apply();
    void this.#ask();
  }

  /** @returns {EmotionShown} */
  get shown() {
    if (this.#policy === "off") return "off";
    const { emotionShown } = this.preferences;
    if (isEmotionShown(emotionShown)) return emotionShown;
    return this.#policy === "opt-in" ? "off" : "subtle";
  }

  async #ask() {
    try {
      const { emotion = "on" } = await (await fetch("/v1/config")).json();
      this.#policy = emotion;
      this.#apply();
    } catch {
      // The server is away; Start will tell.
    }
  }

  #apply() {
    const { shown } = this;
    document.documentElement.dataset.emotionShown = shown;
    this.choice.value = shown;
    this.choice.disabled = this.hint.hidden = this.#policy === "off";
    byId("emotion-off", HTMLElement).hidden = this.#policy !== "off";
    this.onChange(shown);
  }
}
