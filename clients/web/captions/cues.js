// @ts-check
/** Subtitle cues: captions cut into pieces that can be read. The rules are those of the server. */

import { joinTexts } from "../protocol/transcript.js";

/** @typedef {import("../protocol/client.js").WireWord} WireWord */
/** @typedef {import("../protocol/transcript.js").Caption} Caption */
/** @typedef {{text: string, startMs: number, endMs: number}} Piece */
/** @typedef {{startMs: number, endMs: number, lines: string[], emotion: string}} Cue */

const MAX_LINE_CHARS = 42;
const MAX_LINES = 2;
const MAX_CUE_MS = 7_000;
/** A pause this long inside a caption starts a new cue. */
const MAX_PAUSE_MS = 1_500;

/**
 * Cues in order: none is empty, none overlaps the next, every line fits.
 *
 * @param {Caption[]} captions
 * @returns {Cue[]}
 */
export function cues(captions) {
  const placed = captions.flatMap(captionCues).sort((a, b) => a.startMs - b.startMs);
  let earliestMs = 0;
  for (const cue of placed) {
    cue.startMs = Math.max(cue.startMs, earliestMs);
    cue.endMs = Math.max(cue.endMs, cue.startMs + 1);
    earliestMs = cue.startMs + 1;
  }
  placed.forEach((cue, i) => {
    if (i + 1 < placed.length) cue.endMs = Math.min(cue.endMs, placed[i + 1].startMs);
  });
  return placed;
}

/** @param {Caption} caption */
function captionCues(caption) {
  /** @type {Piece[][]} */
  const groups = [];
  for (const piece of caption.words.flatMap(pieces)) {
    const shown = groups.at(-1);
    if (shown === undefined || mustBreak(shown, piece)) groups.push([piece]);
    else shown.push(piece);
  }
  return groups.map((shown) => ({
    startMs: Math.round(shown[0].startMs),
    endMs: Math.round(Math.max(...shown.map((piece) => piece.endMs))),
    lines: wrapped(shown),
    emotion: caption.emotion?.label ?? "",
  }));
}

/**
 * A word; one that is longer than a line in parts that share its time.
 *
 * @param {WireWord} word
 * @returns {Piece[]}
 */
function pieces(word) {
  const text = word.text.replace(/\s+/g, "");
  const count = Math.ceil(text.length / MAX_LINE_CHARS);
  const stepMs = (word.end_ms - word.start_ms) / count;
  return Array.from({ length: count }, (_, i) => ({
    text: text.slice(i * MAX_LINE_CHARS, (i + 1) * MAX_LINE_CHARS),
    startMs: word.start_ms + i * stepMs,
    endMs: word.start_ms + (i + 1) * stepMs,
  }));
}

/**
 * @param {Piece[]} shown
 * @param {Piece} piece
 */
function mustBreak(shown, piece) {
  return (
    wrapped([...shown, piece]).length > MAX_LINES ||
    piece.endMs - shown[0].startMs > MAX_CUE_MS ||
    piece.startMs - shown[shown.length - 1].endMs > MAX_PAUSE_MS
  );
}

/** @param {Piece[]} shown */
function wrapped(shown) {
  /** @type {string[]} */
  const lines = [];
  for (const { text } of shown) {
    const last = lines.length - 1;
    const longer = last >= 0 ? joinTexts(lines[last], text) : text;
    if (last >= 0 && longer.length <= MAX_LINE_CHARS) lines[last] = longer;
    else lines.push(text);
  }
  return lines;
}
