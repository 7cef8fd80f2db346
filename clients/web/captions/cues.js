// @ts-check
/** Subtitle cues: captions cut into pieces that can be read. `streamer/transcript/cues.py` gives the
 *  rules and their sources; what is changed there is changed here. */

import { joinTexts, joinWords } from "../protocol/transcript.js";
import { isSure } from "./emotion-shown.js";
import { inTurn } from "./names.js";
import { breakCost, endsSentence } from "./phrases.js";

/** @typedef {import("../protocol/client.js").WireWord} WireWord */
/** @typedef {import("../protocol/transcript.js").Caption} Caption */
/** @typedef {{text: string, startMs: number, endMs: number, loudness?: number | null}} Piece */
/** `speaker`: the name, where it is known.
 *
 *  @typedef {{startMs: number, endMs: number, lines: Piece[][], emotion: string,
 *   speaker?: string}} Cue */

const MAX_LINE_CHARS = 42;
const MAX_CHARS_PER_S = 17;
const MIN_CUE_MS = 1_000;
const MAX_CUE_MS = 7_000;
const MIN_GAP_MS = 80;
const JERKY_GAP_MS = 1_000;
const MAX_HOLD_MS = 1_500;
const MAX_TAIL_MS = 400;
const SOUND_MS = 3_000;
const CUE_COST = 3;
const INNER_SENTENCE_COST = 4;
const ORPHAN_CUE_COST = 12;
const ORPHAN_LINE_COST = 6;
const SHORT_COST = 10;
const FAST_COST = 20;

/**
 * Cues in the order of their beginnings: none is empty, every line fits. Those of one channel never
 * overlap each other; two people may.
 *
 * @param {Caption[]} captions
 * @param {boolean} tagged whether what surely is emotional begins with its emotion, "(angry)"
 * @returns {Cue[]}
 */
export function cues(captions, tagged) {
  /** @type {Map<number, number>} of each channel */
  const earliestMs = new Map();
  const all = captions.flatMap((caption) => {
    if (caption.sound) return [soundCue(caption)];
    const { channel = 0 } = caption;
    const made = captionCues(caption, earliestMs.get(channel) ?? 0, tagged);
    const last = made.at(-1);
    if (last !== undefined) earliestMs.set(channel, last.endMs + MIN_GAP_MS);
    return made;
  });
  return inTurn(all);
}

/**
 * @param {Caption} caption of a sound that is no speech
 * @returns {Cue} for its beginning
 */
function soundCue({ startMs, words }) {
  const endMs = startMs + SOUND_MS;
  return { startMs, endMs, lines: [[{ text: joinWords(words), startMs, endMs }]], emotion: "" };
}

/**
 * @param {Caption} caption
 * @param {number} earliestMs no cue may begin before
 * @param {boolean} tagged
 * @returns {Cue[]}
 */
function captionCues(caption, earliestMs, tagged) {
  const label = caption.emotion?.label ?? "";
  const words = caption.words.flatMap(piecesOf);
  const pieces = tagged && isSure(label) ? withTag(`(${label})`, words) : words;
  const cut = new Cut(pieces, caption.endMs + MAX_TAIL_MS);
  const bounds = cut.best();
  /** @type {number[]} */
  const starts = [];
  for (const first of bounds.slice(0, -1)) {
    starts.push(Math.max(Math.round(pieces[first].startMs), earliestMs));
    earliestMs = starts[starts.length - 1] + 1;
  }
  return starts.map((startMs, i) => {
    const [first, last] = [bounds[i], bounds[i + 1]];
    const heardMs = Math.max(...pieces.slice(first, last).map((piece) => piece.endMs));
    const spokenMs = Math.min(heardMs, caption.endMs);
    const neededMs = Math.max(MIN_CUE_MS, (cut.chars(first, last) * 1000) / MAX_CHARS_PER_S);
    let endMs = Math.max(spokenMs, startMs + neededMs);
    if (i + 1 === starts.length) {
      endMs = Math.min(Math.max(endMs, caption.endMs), caption.endMs + MAX_TAIL_MS);
    } else if (starts[i + 1] - endMs < JERKY_GAP_MS) {
      endMs = starts[i + 1] - MIN_GAP_MS;
    }
    endMs = Math.min(endMs, Math.max(spokenMs, startMs) + MAX_HOLD_MS, startMs + MAX_CUE_MS);
    return {
      startMs,
      endMs: Math.max(startMs + 1, Math.round(endMs)),
      lines: cut.lines(first, last),
      emotion: label,
      ...(caption.speaker ? { speaker: caption.speaker } : {}),
    };
  });
}

/**
 * A word; one that is longer than a line in parts that share its time.
 *
 * @param {WireWord} word
 * @returns {Piece[]}
 */
function piecesOf(word) {
  const text = word.text.replace(/\s+/g, "");
  const count = Math.ceil(text.length / MAX_LINE_CHARS);
  const stepMs = (word.end_ms - word.start_ms) / count;
  return Array.from({ length: count }, (_, i) => ({
    text: text.slice(i * MAX_LINE_CHARS, (i + 1) * MAX_LINE_CHARS),
    startMs: word.start_ms + i * stepMs,
    endMs: word.start_ms + (i + 1) * stepMs,
    loudness: word.loudness,
  }));
}

/**
 * With a tag in front, on the line of the first word if there is room.
 *
 * @param {string} tag
 * @param {Piece[]} pieces
 */
function withTag(tag, pieces) {
  const [first, ...others] = pieces;
  if (first === undefined) return [];
  const text = `${tag} ${first.text}`;
  if (text.length > MAX_LINE_CHARS) {
    return [{ ...first, text: tag, endMs: first.startMs, loudness: null }, ...pieces];
  }
  return [{ ...first, text }, ...others];
}

/** Ways to cut the pieces of a caption; the last cue may be shown until `latestMs`. */
class Cut {
  /** what a break in front of each piece costs
   *  @type {number[]} */
  #breaks = [];
  /** the width of the space in front of each piece
   *  @type {number[]} */
  #spaces = [];
  /** of all pieces in front of each
   *  @type {number[]} */
  #widths = [0];
  /** sentences that end in front of each piece
   *  @type {number[]} */
  #sentences = [0];

  /**
   * @param {Piece[]} pieces
   * @param {number} latestMs
   */
  constructor(pieces, latestMs) {
    this.pieces = pieces;
    this.latestMs = latestMs;
    pieces.forEach(({ text, startMs }, i) => {
      const before = i > 0 ? pieces[i - 1] : null;
      this.#breaks.push(before ? breakCost(before.text, text, startMs - before.endMs) : 0);
      const space = before ? joinTexts(before.text, text).length - before.text.length - text.length : 0;
      this.#spaces.push(space);
      this.#widths.push(this.#widths[i] + space + text.length);
      this.#sentences.push(this.#sentences[i] + Number(endsSentence(text)));
    });
    this.#breaks.push(0);
  }

  /** @returns {number[]} where the cues of the cheapest cut begin, and the end of the last one */
  best() {
    const count = this.pieces.length;
    const costs = [0, ...Array(count).fill(Infinity)];
    const origins = Array(count + 1).fill(0);
    for (let first = 0; first < count; first += 1) {
      for (let last = first + 1; last <= count && this.#mayGrow(first, last); last += 1) {
        const cost = costs[first] + this.#cost(first, last);
        if (cost < costs[last]) [costs[last], origins[last]] = [cost, first];
      }
    }
    const bounds = [count];
    while (bounds[0] > 0) bounds.unshift(origins[bounds[0]]);
    return bounds;
  }

  /**
   * @param {number} first
   * @param {number} last
   */
  chars(first, last) {
    return this.#widths[last] - this.#widths[first] - this.#spaces[first];
  }

  /**
   * @param {number} first
   * @param {number} last
   */
  lines(first, last) {
    const { at } = this.#lineBreak(first, last);
    const groups = [this.pieces.slice(first, at), this.pieces.slice(at, last)];
    return groups.filter((line) => line.length > 0);
  }

  /**
   * @param {number} first
   * @param {number} last
   */
  #mayGrow(first, last) {
    if (last - first === 1) return true;
    const [before, piece] = this.pieces.slice(last - 2, last);
    return (
      this.#lineBreak(first, last).cost < Infinity &&
      piece.endMs - this.pieces[first].startMs <= MAX_CUE_MS &&
      piece.startMs - before.endMs <= MAX_HOLD_MS
    );
  }

  /**
   * @param {number} first
   * @param {number} last
   */
  #cost(first, last) {
    const isLast = last === this.pieces.length;
    const untilMs = isLast ? this.latestMs : this.pieces[last].startMs - MIN_GAP_MS;
    const shownMs = Math.max(1, untilMs - this.pieces[first].startMs);
    const rate = (this.chars(first, last) * 1000) / shownMs / MAX_CHARS_PER_S;
    return (
      CUE_COST +
      this.#breaks[last] +
      this.#lineBreak(first, last).cost / 2 +
      INNER_SENTENCE_COST * (this.#sentences[last - 1] - this.#sentences[first]) +
      ORPHAN_CUE_COST * Number(last - first === 1) +
      SHORT_COST * Number(shownMs < MIN_CUE_MS) +
      FAST_COST * Math.min(1, Math.max(0, rate - 1))
    );
  }

  /**
   * @param {number} first
   * @param {number} last
   * @returns {{cost: number, at: number}} of the best break into two lines, if one does not do
   */
  #lineBreak(first, last) {
    if (this.chars(first, last) <= MAX_LINE_CHARS) return { cost: 0, at: last };
    let best = { cost: Infinity, at: last };
    for (let at = last - 1; at > first; at -= 1) {
      const [upper, lower] = [this.chars(first, at), this.chars(at, last)];
      if (lower > MAX_LINE_CHARS) break;
      if (upper > MAX_LINE_CHARS) continue;
      const orphan = ORPHAN_LINE_COST * Number(at - first === 1 || last - at === 1);
      const cost = this.#breaks[at] + orphan + Math.abs(upper - lower) / 21;
      if (cost < best.cost) best = { cost, at };
    }
    return best;
  }
}
