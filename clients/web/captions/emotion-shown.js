// @ts-check
/** How much of the voice is shown: one setting of four stops. `streamer/transcript/emotion_shown.py`
 *  says the same for files and terminals. */

/** @typedef {"off" | "subtle" | "full" | "voice"} EmotionShown */

const LOUD_DB = 6;
const SOFT_DB = -10;
/** Words that are so much louder or softer than usual look as loud or soft as they can. */
const FULL_SCALE_DB = 12;

/**
 * @param {unknown} value
 * @returns {value is EmotionShown}
 */
export function isEmotionShown(value) {
  return value === "off" || value === "subtle" || value === "full" || value === "voice";
}

/**
 * @param {string} label
 * @returns {boolean} whether it names an emotion: an unsure one is not told as a label at all
 */
export function isSure(label) {
  return label !== "" && label !== "neutral" && label !== "unknown";
}

/**
 * @param {number | null | undefined} loudness dB above the speaker's running level
 * @returns {"loud" | "soft" | ""}
 */
export function volume(loudness) {
  if (typeof loudness !== "number" || (loudness > SOFT_DB && loudness < LOUD_DB)) return "";
  return loudness >= LOUD_DB ? "loud" : "soft";
}

/**
 * @param {number} loudness dB above the speaker's running level
 * @returns {number} from -1, very soft, to 1, very loud
 */
export function weightOf(loudness) {
  return Math.max(-1, Math.min(1, loudness / FULL_SCALE_DB));
}
