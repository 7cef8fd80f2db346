// @ts-check
/** Corrections on the page: the word that was said stands where another was heard, subtly marked. */

import { units } from "./corrections.js";

/** @typedef {import("../protocol/transcript.js").Caption} Caption */

/**
 * The first span of words that were corrected together shows what was said; the others hide. Words
 * that were not said at all are struck.
 *
 * @param {HTMLElement} line has a span for each word of the caption, in order
 * @param {Caption} caption
 */
export function markCorrections(line, caption) {
  const spans = /** @type {NodeListOf<HTMLElement>} */ (line.querySelectorAll(".word"));
  let at = 0;
  for (const { words, text, isCorrected, isReported } of units(caption)) {
    const [first, ...others] = [...spans].slice(at, at + words.length);
    at += words.length;
    const isStruck = isCorrected && text === "";
    // It may have been one of several, before another speaker's line took it.
    first.hidden = false;
    first.textContent = isCorrected && !isStruck ? text : words[0].text;
    for (const [i, span] of others.entries()) {
      span.hidden = isCorrected && !isStruck;
      span.textContent = words[i + 1].text;
      span.classList.toggle("struck", isStruck);
    }
    first.classList.toggle("corrected", isCorrected && !isStruck);
    first.classList.toggle("struck", isStruck);
    first.classList.toggle("reported", isReported);
  }
}
