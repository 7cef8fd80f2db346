// @ts-check
/** The buttons for text size and theme, and the dialog of all that makes captions easy to read. */

import { byId } from "../../captions/dom.js";
import { savePreferences } from "../preferences.js";
import { TEXT_SIZES_REM, applyReading, contrast, nextTheme, steppedTextSize } from "./reading.js";

/** @typedef {import("../preferences.js").Preferences} Preferences */

const ENOUGH_CONTRAST = 4.5;
const THEME_NAMES = { auto: "Auto", light: "Light", dark: "Dark", contrast: "Contrast", yellow: "Yellow", own: "Own" };

/** Choices of the dialog that are words: the preference, and the id of its field.
 *  @type {["theme" | "font" | "spacing" | "width" | "tentative", string][]} */
const CHOICES = [
  ["theme", "reading-theme"],
  ["font", "reading-font"],
  ["spacing", "reading-spacing"],
  ["width", "reading-width"],
  ["tentative", "reading-tentative"],
];

export class Appearance {
  /**
   * @param {Preferences} preferences
   * @param {() => void} onChange called when colours or sizes have changed
   */
  constructor(preferences, onChange) {
    this.preferences = preferences;
    this.onChange = onChange;
    this.themeName = byId("theme-name", HTMLElement);
    this.themeButton = byId("theme", HTMLButtonElement);
    this.size = byId("reading-size", HTMLInputElement);
    this.lines = byId("reading-lines", HTMLSelectElement);
    this.ink = byId("reading-ink", HTMLInputElement);
    this.paper = byId("reading-paper", HTMLInputElement);
    this.size.max = String(TEXT_SIZES_REM.length - 1);
    this.#bindButtons();
    this.#bindDialog();
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#apply());
    this.#apply();
  }

  #bindButtons() {
    const resize = (/** @type {number} */ step) =>
      this.#change({ textSize: steppedTextSize(this.preferences.textSize, step) });
    byId("smaller", HTMLButtonElement).addEventListener("click", () => resize(-1));
    byId("larger", HTMLButtonElement).addEventListener("click", () => resize(1));
    this.themeButton.addEventListener("click", () =>
      this.#change({ theme: nextTheme(this.preferences.theme) }),
    );
  }

  #bindDialog() {
    const dialog = byId("reading", HTMLDialogElement);
    byId("reading-open", HTMLButtonElement).addEventListener("click", () => dialog.showModal());
    for (const [name, id] of CHOICES) {
      const field = byId(id, HTMLSelectElement);
      field.addEventListener("change", () => this.#change({ [name]: field.value }));
    }
    this.size.addEventListener("input", () => this.#change({ textSize: Number(this.size.value) }));
    this.lines.addEventListener("change", () => this.#change({ lines: Number(this.lines.value) }));
    this.ink.addEventListener("input", () => this.#change({ ink: this.ink.value }));
    this.paper.addEventListener("input", () => this.#change({ paper: this.paper.value }));
  }

  /** @param {Partial<Preferences>} changed */
  #change(changed) {
    Object.assign(this.preferences, changed);
    savePreferences(this.preferences);
    this.#apply();
  }

  #apply() {
    const { preferences } = this;
    applyReading(preferences, document.documentElement);
    const theme = /** @type {keyof typeof THEME_NAMES} */ (preferences.theme);
    this.themeName.textContent = THEME_NAMES[theme];
    this.themeButton.setAttribute("aria-label", `Theme: ${theme}`);
    for (const [name, id] of CHOICES) byId(id, HTMLSelectElement).value = preferences[name];
    this.size.value = String(preferences.textSize);
    this.lines.value = String(preferences.lines);
    this.ink.value = preferences.ink;
    this.paper.value = preferences.paper;
    byId("reading-own", HTMLElement).hidden = theme !== "own";
    const ratio = contrast(preferences.ink, preferences.paper);
    const enough = ratio < ENOUGH_CONTRAST ? ": hard to read for many" : "";
    byId("reading-contrast", HTMLElement).textContent = `Contrast ${ratio.toFixed(1)} : 1${enough}`;
    this.onChange();
  }
}
