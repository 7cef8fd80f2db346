// @ts-check
/** Where English may be broken between two words; `streamer/transcript/phrases.py` says why. */

const CLOSING_QUOTES = /["')\]”’]+$/;
const SENTENCE_MARK = /[.!?…。！？]$/;
const CLAUSE_MARK = /[,;:—–、，]$/;
const OUTER_MARKS = /^[!-/:-@[-`{-~]+|[!-/:-@[-`{-~]+$/g;
const TITLES = words("mr mrs ms dr st prof");
const LEADING = words(
  "and but or nor so because although though unless until while when where which who whom whose " +
    "that if as than of to in on at by for from with about into onto over under after before " +
    "between through during without against toward towards upon within behind across around near",
);
const CLINGING = words(
  "a an the my your his her its our their this these those every each no i he she we they " +
    "is are was were be been am have has had will would can could should may might must " +
    "do does did not",
);
const BREATH_MS = 400;

/** @param {string} text */
export function endsSentence(text) {
  return SENTENCE_MARK.test(text.replace(CLOSING_QUOTES, "")) && !TITLES.has(key(text));
}

/**
 * @param {string} before
 * @param {string} after
 * @param {number} pauseMs
 * @returns {number} from 0 behind a sentence to 8 behind an article
 */
export function breakCost(before, after, pauseMs) {
  if (endsSentence(before)) return 0;
  if (CLAUSE_MARK.test(before.replace(CLOSING_QUOTES, ""))) return 1;
  if ([CLINGING, LEADING, TITLES].some((clinging) => clinging.has(key(before)))) return 8;
  if (/^\p{Lu}/u.test(before) && /^\p{Lu}/u.test(after)) return 6;
  return LEADING.has(key(after)) || pauseMs >= BREATH_MS ? 2 : 4;
}

/**
 * @param {string} text
 * @returns {boolean} whether it is one of the words that English is full of
 */
export function isSmallWord(text) {
  return LEADING.has(key(text)) || CLINGING.has(key(text));
}

/** @param {string} list */
function words(list) {
  return new Set(list.split(" "));
}

/** @param {string} text */
function key(text) {
  return text.toLowerCase().replace(OUTER_MARKS, "");
}
