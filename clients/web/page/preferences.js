// @ts-check
/** What the person chose, kept in the browser: how captions look, settings. */

import { store, stored } from "../captions/dom.js";
import { READING } from "./reading/reading.js";

const STORAGE_KEY = "streamer.preferences";

/** @typedef {import("./reading/reading.js").Reading} Reading */
/** @typedef {Reading & {details: boolean, vibrate: boolean, deviceId: string, echoCancellation: boolean,
 *   noiseSuppression: boolean, autoGainControl: boolean, hotWords: string, context: string,
 *   language: string, translate: boolean, numbers: boolean, speakers: boolean, people: number,
 *   voice: string, voiceName: string, shareSecret: string, followId: string,
 *   emotionShown: string, sounds: boolean}} Preferences */

/** @type {Preferences} */
const DEFAULTS = {
  ...READING,
  details: false,
  vibrate: false,
  deviceId: "",
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
  hotWords: "",
  context: "",
  language: "",
  translate: false,
  numbers: false,
  speakers: false,
  people: 0, // as many as the server expects
  voice: "", // the print of the person's own
  voiceName: "Me",
  shareSecret: "",
  followId: "",
  sounds: true,
  emotionShown: "", // nothing was chosen: the server's own
};

/** @returns {Preferences} */
export function loadPreferences() {
  return { ...DEFAULTS, shareSecret: newSecret(), ...stored(STORAGE_KEY) };
}

/** @returns {string} that nobody can guess: the follow id of the sessions is made of it */
export function newSecret() {
  return [...crypto.getRandomValues(new Uint8Array(24))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

/** @param {Preferences} preferences */
export function savePreferences(preferences) {
  store(STORAGE_KEY, preferences);
}

/**
 * @param {Preferences} preferences
 * @param {number} sampleRate
 * @param {import("./status/conditions.js").Source} source
 * @returns {import("../protocol/client.js").StartOptions}
 */
export function startOptions(preferences, sampleRate, source) {
  const { context, hotWords, language, translate, numbers, shareSecret, emotionShown } = preferences;
  const { speakers, people, voice } = preferences;
  return {
    sampleRate,
    channels: source === "sides" ? 2 : undefined,
    live: source === "recording" ? false : undefined,
    context,
    hotWords: parseHotWords(hotWords),
    language: language === "" ? undefined : language,
    task: translate ? "translate" : undefined,
    numbers: numbers || undefined,
    speakers: speakers ? people || true : undefined,
    knownVoices: speakers && voice !== "" ? [voice] : undefined,
    shareSecret,
    sounds: preferences.sounds || undefined,
    emotion: emotionShown === "" ? undefined : emotionShown !== "off",
  };
}

/**
 * @param {Preferences} preferences
 * @returns {import("../audio/sources.js").MicrophoneOptions}
 */
export function microphoneOptions(preferences) {
  const { deviceId, echoCancellation, noiseSuppression, autoGainControl } = preferences;
  return { deviceId, echoCancellation, noiseSuppression, autoGainControl };
}

/** @param {string} text comma-separated, as typed */
export function parseHotWords(text) {
  const words = text.split(",").map((word) => word.trim().slice(0, 64));
  return words.filter((word) => word !== "").slice(0, 100);
}

/** @param {Preferences} preferences */
export function hotWordsOf(preferences) {
  return {
    list: () => parseHotWords(preferences.hotWords),
    add: (/** @type {string[]} */ words) => {
      preferences.hotWords = [...new Set([...parseHotWords(preferences.hotWords), ...words])].join(", ");
      savePreferences(preferences);
    },
  };
}
