// @ts-check
/** Buttons for theme and text size. */

import { byId } from "../captions/dom.js";
import { applyAppearance, nextTheme, savePreferences, steppedTextSize } from "./preferences.js";

/** @typedef {import("./preferences.js").Preferences} Preferences */

/**
 * @param {Preferences} preferences
 * @param {() => void} onChange called when colours or sizes have changed
 */
export function bindAppearance(preferences, onChange) {
  const themeName = byId("theme-name", HTMLElement);
  const themeButton = byId("theme", HTMLButtonElement);
  const apply = () => {
    applyAppearance(preferences);
    const { theme } = preferences;
    themeName.textContent = theme[0].toUpperCase() + theme.slice(1);
    themeButton.setAttribute("aria-label", `Theme: ${theme}`);
    onChange();
  };
  const change = (/** @type {Partial<Preferences>} */ changed) => {
    Object.assign(preferences, changed);
    savePreferences(preferences);
    apply();
  };
  const resize = (/** @type {number} */ step) =>
    change({ textSize: steppedTextSize(preferences.textSize, step) });
  byId("smaller", HTMLButtonElement).addEventListener("click", () => resize(-1));
  byId("larger", HTMLButtonElement).addEventListener("click", () => resize(1));
  themeButton.addEventListener("click", () => change({ theme: nextTheme(preferences.theme) }));
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  apply();
}
