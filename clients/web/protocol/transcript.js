// @ts-check
/** What was captioned, as the server's ledger tells it. No DOM in here. */

/** @typedef {import("./client.js").WireWord} WireWord */
/** @typedef {import("./client.js").WireEmotion} WireEmotion */
/** @typedef {import("./client.js").WordsEvent} WordsEvent */
/** @typedef {import("./client.js").SegmentEvent} SegmentEvent */

/**
 * One caption, of one side of a conversation (`channel`, 0 where there is only one). Times are
 * milliseconds of all audio heard on this page: sessions follow one another on one time line, so
 * that the subtitle exports stay in order.
 *
 * @typedef {{sessionId: string, segmentId: number, channel?: number, startMs: number,
 *   endMs: number, words: WireWord[], emotion: WireEmotion | null, final: boolean}} Caption
 */

/** Committed words only ever grow; tentative words of a channel are replaced at its every event. */
export class Transcript {
  /** @type {Caption[]} */
  captions = [];

  /** @type {Map<number, Caption>} the segment being spoken in each channel, as far as committed */
  #open = new Map();
  /** @type {Map<number, WireWord[]>} */
  #tentative = new Map();
  #sessionId = "";
  #baseMs = 0;
  #endMs = 0;
  /** @type {Map<number, number>} */
  #nextWordIds = new Map();

  /** The segment being spoken in the first channel, with its committed words. */
  get open() {
    return this.openIn(0);
  }

  get tentative() {
    return this.tentativeIn(0);
  }

  /** @param {number} channel */
  openIn(channel) {
    return this.#open.get(channel) ?? null;
  }

  /** @param {number} channel */
  tentativeIn(channel) {
    return this.#tentative.get(channel) ?? [];
  }

  /** @returns {number} the id that no word of the session has yet */
  get nextWordId() {
    return Math.max(0, ...this.#nextWordIds.values());
  }

  /** @param {string} sessionId */
  beginSession(sessionId) {
    this.#sessionId = sessionId;
    this.#baseMs = this.#endMs;
    this.#nextWordIds.clear();
  }

  /**
   * Ends the session at `durationMs` of its audio. A segment that was cut short keeps what was
   * committed of it.
   *
   * @param {number} durationMs
   */
  endSession(durationMs) {
    this.interrupt();
    this.#endMs = Math.max(this.#endMs, this.#baseMs + durationMs);
  }

  /** The open segments will not be finished: what was committed of them stays as it is. */
  interrupt() {
    this.captions = this.committed();
    this.#tentative.clear();
    this.#open.clear();
  }

  /**
   * @param {WordsEvent} event
   * @returns {WireWord[]} the words committed by this event
   */
  applyWords(event) {
    const channel = event.channel ?? 0;
    const tentative = event.words.filter((word) => word.state === "tentative");
    this.#tentative.set(channel, tentative.map(this.#shift));
    if (event.words.length === 0) return [];
    const { segment_id, words } = event;
    const caption = this.openIn(channel) ?? this.#newCaption(segment_id, channel, words[0].start_ms);
    this.#open.set(channel, caption);
    return this.#commit(caption, event.words.filter((word) => word.state !== "tentative"));
  }

  /**
   * @param {SegmentEvent} event
   * @returns {{caption: Caption, added: WireWord[]}} the caption, now final, and the words of it
   *   that no earlier event had committed
   */
  applySegment(event) {
    const channel = event.channel ?? 0;
    const caption =
      this.openIn(channel) ?? this.#newCaption(event.segment_id, channel, event.start_ms);
    const added = this.#commit(caption, event.words);
    caption.startMs = this.#baseMs + event.start_ms;
    caption.endMs = this.#baseMs + event.end_ms;
    caption.emotion = event.emotion;
    caption.final = true;
    if (caption.words.length > 0) this.captions.push(caption);
    this.#open.delete(channel);
    this.#tentative.delete(channel);
    this.#endMs = Math.max(this.#endMs, caption.endMs);
    return { caption, added };
  }

  /** @returns {Caption[]} everything committed so far, oldest first, then what is being spoken */
  committed() {
    return [...this.captions, ...[...this.#open.values()].filter(({ words }) => words.length > 0)];
  }

  /** @returns {Caption[]} the finished captions, which are gone from the transcript now */
  clear() {
    const cleared = this.captions;
    this.captions = [];
    return cleared;
  }

  /** @param {Caption[]} captions what `clear` returned */
  restore(captions) {
    this.captions = [...captions, ...this.captions];
  }

  /**
   * @param {Caption} caption
   * @param {WireWord[]} words
   * @returns {WireWord[]} those that were not committed before
   */
  #commit(caption, words) {
    const { channel = 0 } = caption;
    const next = this.#nextWordIds.get(channel) ?? 0;
    const added = words.filter((word) => word.id >= next).map(this.#shift);
    const newest = added.at(-1);
    if (newest !== undefined) {
      caption.words.push(...added);
      caption.endMs = newest.end_ms;
      this.#nextWordIds.set(channel, newest.id + 1);
    }
    return added;
  }

  /** @type {(word: WireWord) => WireWord} */
  #shift = (word) => ({
    ...word,
    start_ms: this.#baseMs + word.start_ms,
    end_ms: this.#baseMs + word.end_ms,
  });

  /**
   * @param {number} segmentId
   * @param {number} channel
   * @param {number} startMs
   * @returns {Caption}
   */
  #newCaption(segmentId, channel, startMs) {
    const start = this.#baseMs + startMs;
    return {
      sessionId: this.#sessionId,
      segmentId,
      channel,
      startMs: start,
      endMs: start,
      words: [],
      emotion: null,
      final: false,
    };
  }
}

/** Thai, Lao, Burmese and Khmer letters, kana, Han characters and their marks; Korean has spaces. */
const UNSPACED =
  /^[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u312f\u3190-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\u{20000}-\u{3ffff}]/u;

/** @param {WireWord[]} words */
export function joinWords(words) {
  return words.map((word) => word.text).reduce(joinTexts, "");
}

/**
 * No space stands between two words that meet in a script without spaces.
 *
 * @param {string} before
 * @param {string} word
 */
export function joinTexts(before, word) {
  if (before === "" || word === "") return before + word;
  return `${before}${UNSPACED.test(word) ? spaceAfter(before) : " "}${word}`;
}

/**
 * @param {string} text
 * @returns {string} what follows it in front of a word of the same script
 */
export function spaceAfter(text) {
  return UNSPACED.test([...text.slice(-2)].at(-1) ?? "") ? "" : " ";
}
