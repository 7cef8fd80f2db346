// @ts-check
/**
 * What a person says was said instead. A correction is an event of its own, as is a report: the
 * words that the server committed stay as they are, and what is shown and exported is made of both.
 */

import { isSmallWord } from "./phrases.js";
import { joinTexts, joinWords } from "../protocol/transcript.js";

/** @typedef {import("../protocol/client.js").WireWord} WireWord */
/** @typedef {import("../protocol/transcript.js").Caption} Caption */
/** @typedef {import("../protocol/transcript.js").Correction} Correction */

/**
 * Words of a caption that are shown and corrected as one.
 *
 * @typedef {{words: WireWord[], text: string, isCorrected: boolean, isReported: boolean}} Unit
 */

/**
 * @param {Caption} caption
 * @returns {Unit[]} its words in order, those that were corrected together as one unit
 */
export function units(caption) {
  let found = caption.words.map((word) => newUnit([word], word.text));
  for (const event of caption.corrections ?? []) {
    const ids = new Set(event.word_ids);
    const isHit = (/** @type {Unit} */ unit) => unit.words.some((word) => ids.has(word.id));
    const first = found.findIndex(isHit);
    if (first < 0) continue;
    const last = found.findLastIndex(isHit);
    const hit = found.slice(first, last + 1);
    if (event.type === "report") {
      for (const unit of hit) unit.isReported = true;
      continue;
    }
    const merged = newUnit(hit.flatMap((unit) => unit.words), (event.new_text ?? "").trim());
    merged.isReported = hit.some((unit) => unit.isReported);
    // Whoever corrects a word back finds it as it was.
    const parts = merged.isCorrected ? [merged] : merged.words.map((word) => newUnit([word], word.text));
    found = [...found.slice(0, first), ...parts, ...found.slice(last + 1)];
  }
  return found;
}

/**
 * @param {Caption} caption
 * @returns {Caption} with the words that were said, by those who corrected it; their share of the
 *   time goes by their length
 */
export function corrected(caption) {
  if (!caption.corrections?.some((event) => event.type === "correction")) return caption;
  return { ...caption, words: units(caption).flatMap(wordsOf) };
}

/**
 * @param {Unit[]} chosen that follow one another
 * @returns {string}
 */
export function textOf(chosen) {
  return chosen.map((unit) => unit.text).reduce(joinTexts, "");
}

/**
 * @param {"correction" | "report"} type
 * @param {Caption} caption
 * @param {Unit[]} chosen
 * @param {string} newText of a correction
 * @returns {Correction}
 */
export function correctionOf(type, caption, chosen, newText = "") {
  return {
    type,
    session_id: caption.sessionId,
    segment_id: caption.segmentId,
    word_ids: chosen.flatMap((unit) => unit.words.map((word) => word.id)),
    old_text: textOf(chosen),
    ...(type === "correction" ? { new_text: newText.trim().replace(/\s+/g, " ") } : {}),
    time: new Date().toISOString(),
  };
}

/**
 * Gives what was corrected to the captions that have its words: where somebody else begins to speak
 * they become another's. Of words that were corrected as one, the first ones have the new text.
 *
 * @param {Correction[]} events in order
 * @param {Caption[]} captions
 */
export function assign(events, captions) {
  for (const event of events) {
    let isFirst = true;
    for (const caption of captions) {
      const words = caption.words.filter(({ id }) => event.word_ids.includes(id));
      if (words.length === 0) continue;
      const part = { ...event, segment_id: caption.segmentId };
      if (words.length < event.word_ids.length) {
        part.word_ids = words.map(({ id }) => id);
        part.old_text = joinWords(words);
        if (event.type === "correction" && !isFirst) part.new_text = "";
      }
      (caption.corrections ??= []).push(part);
      isFirst = false;
    }
  }
}

/**
 * @param {Correction} correction
 * @returns {string[]} the words that it brought and that are worth expecting, without marks around
 */
export function newWords({ old_text, new_text = "" }) {
  const known = new Set(old_text.split(" ").map((word) => bare(word).toLowerCase()));
  return new_text.split(" ").map(bare).filter((word) => {
    const isNew = /\p{L}/u.test(word) && !isSmallWord(word) && !known.has(word.toLowerCase());
    known.add(word.toLowerCase());
    return isNew;
  });
}

/**
 * @param {string} word
 * @returns {string} without punctuation around it
 */
export function bare(word) {
  return word.replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, "");
}

/**
 * @param {WireWord[]} words
 * @param {string} text
 * @returns {Unit}
 */
function newUnit(words, text) {
  return { words, text, isCorrected: text !== joinWords(words), isReported: false };
}

/**
 * @param {Unit} unit
 * @returns {WireWord[]}
 */
function wordsOf({ words, text, isCorrected }) {
  if (!isCorrected) return words;
  const parts = text.split(" ").filter((part) => part !== "");
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  const [first, last] = [words[0], words[words.length - 1]];
  let startMs = first.start_ms;
  return parts.map((part) => {
    const endMs = startMs + ((last.end_ms - first.start_ms) * part.length) / total;
    // What was measured, and what decided, is of the words that stood here.
    const word = { ...first, text: part, start_ms: startMs, end_ms: endMs, decision: null };
    startMs = endMs;
    return word;
  });
}
