// @ts-check
/** What the person chose, kept in the browser: theme, text size, settings. */

const STORAGE_KEY = "streamer.preferences";
const TEXT_SIZES_REM = [1.125, 1.375, 1.625, 2, 2.5, 3.25, 4.25];
const THEMES = ["auto", "light", "dark", "contrast"];

/** @typedef {{theme: string, textSize: number, deviceId: string, echoCancellation: boolean,
 *   noiseSuppression: boolean, autoGainControl: boolean, hotWords: string, context: string,
 *   language: string, translate: boolean, numbers: boolean, shareSecret: string, followId: string,
 *   emotionShown: string}} Preferences */

/** @type {Preferences} */
const DEFAULTS = {
  theme: "auto",
  textSize: 3,
  deviceId: "",
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
  hotWords: "",
  context: "",
  language: "",
  translate: false,
  numbers: false,
  shareSecret: "",
  followId: "",
  emotionShown: "", // nothing was chosen: the server's own
};

/** @returns {Preferences} */
export function loadPreferences() {
  const usual = { ...DEFAULTS, shareSecret: newSecret() };
  try {
    return { ...usual, ...JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "{}") };
  } catch {
    return usual; // Storage may be forbidden, or hold something else.
  }
}

/** @returns {string} that nobody can guess: the follow id of the sessions is made of it */
export function newSecret() {
  return [...crypto.getRandomValues(new Uint8Array(24))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

/** @param {Preferences} preferences */
export function savePreferences(preferences) {
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(preferences));
  } catch {
    // Storage may be forbidden: then the choice holds for this visit only.
  }
}

/**
 * Puts theme and text size into effect.
 *
 * @param {Preferences} preferences
 */
export function applyAppearance({ theme, textSize }) {
  const root = document.documentElement;
  root.dataset.theme = THEMES.includes(theme) ? theme : "auto";
  const sizeRem = TEXT_SIZES_REM[textSize] ?? TEXT_SIZES_REM[DEFAULTS.textSize];
  root.style.setProperty("--caption-size", `${sizeRem}rem`);
}

/** @param {string} theme */
export function nextTheme(theme) {
  return THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
}

/**
 * @param {number} textSize
 * @param {number} step
 */
export function steppedTextSize(textSize, step) {
  return Math.max(0, Math.min(TEXT_SIZES_REM.length - 1, textSize + step));
}

/**
 * @param {Preferences} preferences
 * @param {number} sampleRate
 * @returns {import("../protocol/client.js").StartOptions}
 */
export function startOptions(preferences, sampleRate) {
  const { context, hotWords, language, translate, numbers, shareSecret, emotionShown } = preferences;
  return {
    sampleRate,
    context,
    hotWords: parseHotWords(hotWords),
    language: language === "" ? undefined : language,
    task: translate ? "translate" : undefined,
    numbers: numbers || undefined,
    shareSecret,
    emotion: emotionShown === "" ? undefined : emotionShown !== "off",
  };
}

/** @param {string} text comma-separated, as typed */
export function parseHotWords(text) {
  const words = text.split(",").map((word) => word.trim().slice(0, 64));
  return words.filter((word) => word !== "").slice(0, 100);
}
