// @ts-check
/** What was captioned, as the server's ledger tells it. No DOM in here. */

import { ClockTrack } from "./clock-track.js";

/** @typedef {import("./client.js").WireWord} WireWord */
/** @typedef {import("./client.js").WireEmotion} WireEmotion */
/** @typedef {import("./client.js").WordsEvent} WordsEvent */
/** @typedef {import("./client.js").SegmentEvent} SegmentEvent */
/** @typedef {import("./client.js").SpeakersEvent} SpeakersEvent */
/** @typedef {import("./client.js").SoundEvent} SoundEvent */

/**
 * What a person says of committed words, as an event of its own. `word_ids` are those of the
 * session. `old_text` is what stood there before; `new_text` is what was said, nothing at all if
 * empty. `time` is ISO 8601. A report only says that something is wrong.
 *
 * @typedef {{type: "correction" | "report", session_id: string, segment_id: number,
 *   word_ids: number[], old_text: string, new_text?: string, time: string}} Correction
 */

/**
 * Of whom the server says that it is one: a side of a conversation, by its channel, or a person
 * whom it tells apart, by their label.
 *
 * @typedef {{kind: "side" | "person", number: number}} Voice
 */

/**
 * One caption, of one side of a conversation (`channel`, 0 where there is only one). Times are
 * milliseconds of all audio heard on this page: sessions follow one another on one time line, so
 * that the subtitle exports stay in order. `epochMs`: its beginning, since the Unix epoch, if that
 * is known. `voice`: who said it, if that is known; `speaker`: what that one is called.
 * `corrections`: what a person changed, oldest first; `words` stay what the server committed.
 * `sound`: what was heard instead of speech; its one word is its name in brackets.
 *
 * @typedef {{sessionId: string, segmentId: number, channel?: number, startMs: number,
 *   endMs: number, epochMs: number | null, voice?: Voice, speaker?: string, words: WireWord[],
 *   emotion: WireEmotion | null, final: boolean, corrections?: Correction[],
 *   sound?: "music"}} Caption
 */

/** Committed words only ever grow; tentative words of a channel are replaced at its every event. */
export class Transcript {
  /** @type {Caption[]} */
  captions = [];
  /** Of the session's sound. */
  clock = new ClockTrack();

  /** @type {Map<number, Caption>} the segment being spoken in each channel, as far as committed */
  #open = new Map();
  /** @type {Map<number, WireWord[]>} */
  #tentative = new Map();
  #sessionId = "";
  #baseMs = 0;
  #endMs = 0;
  #firstWordId = 0;
  /** @type {Map<number, number>} of each channel */
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
    return Math.max(this.#firstWordId, ...this.#nextWordIds.values());
  }

  /** When this session begins, on the time line of the page. */
  get baseMs() {
    return this.#baseMs;
  }

  /**
   * @param {string} sessionId
   * @param {number} nextWordId the words before are known already
   */
  beginSession(sessionId, nextWordId = 0) {
    this.#sessionId = sessionId;
    this.#baseMs = this.#endMs;
    this.#nextWordIds.clear();
    this.#firstWordId = nextWordId;
  }

  /**
   * Goes on with what was kept of the session: the last caption of each channel may still be open.
   *
   * @param {Caption[]} known
   */
  goOn(known) {
    const newest = new Map(known.map((caption) => [caption.channel ?? 0, caption]));
    this.#open = new Map([...newest].filter(([, { final }]) => !final));
    const open = [...this.#open.values()];
    this.captions = known.filter((caption) => !open.includes(caption));
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
   * Tells anew who said words that are committed and not final.
   *
   * @param {SpeakersEvent} event
   */
  applySpeakers(event) {
    const words = this.openIn(event.channel ?? 0)?.words ?? [];
    // Counted from the newest: who began to follow in the middle may lack the first ones, and ids of
    // one channel's words have gaps where the other's were committed.
    const missing = words.length - event.speakers.length;
    words.forEach((word, index) => {
      if (index >= missing) word.speaker = event.speakers[index - missing];
    });
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
    this.#open.delete(channel);
    if (event.cause === "speaker") this.#keepOpen(event, caption);
    caption.startMs = this.#baseMs + event.start_ms;
    caption.endMs = this.#baseMs + event.end_ms;
    caption.epochMs = this.clock.epochMs(event.start_ms) ?? caption.epochMs;
    caption.emotion = event.emotion;
    caption.final = true;
    if (typeof event.speaker === "number") {
      for (const word of caption.words) word.speaker = event.speaker;
    }
    if (caption.words.length > 0) this.captions.push(caption);
    this.#tentative.delete(channel);
    this.#endMs = Math.max(this.#endMs, caption.endMs);
    return { caption, added };
  }

  /**
   * @param {SoundEvent} event
   * @returns {Caption | null} null where a sound ends whose caption is gone
   */
  applySound({ sound, channel = 0, start_ms, end_ms }) {
    const startMs = this.#baseMs + start_ms;
    const known = this.captions.find(
      (each) => each.sound === sound && each.channel === channel && each.startMs === startMs,
    );
    if (typeof end_ms === "number") {
      if (known !== undefined) known.endMs = this.#baseMs + end_ms;
      return known ?? null;
    }
    if (known !== undefined) return known;
    const word = { id: -1, text: `[${sound}]`, start_ms, end_ms: start_ms, confidence: 1 };
    const caption = this.#newCaption(-1, channel, start_ms);
    caption.words.push(this.#shift({ ...word, state: "final" }));
    this.captions.push(Object.assign(caption, { sound, final: true }));
    return caption;
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
   * The words behind a segment that ends where somebody else begins to speak are the next one's.
   *
   * @param {SegmentEvent} event
   * @param {Caption} caption
   */
  #keepOpen(event, caption) {
    const { channel = 0 } = caption;
    const behind = caption.words.splice(event.words.length);
    const newest = behind.at(-1);
    if (newest === undefined) return;
    const nextId = event.next_segment_id ?? event.segment_id + 1; // servers of one channel left it out
    const next = this.#newCaption(nextId, channel, event.end_ms);
    next.words = behind;
    next.endMs = newest.end_ms;
    this.#open.set(channel, next);
  }

  /**
   * @param {Caption} caption
   * @param {WireWord[]} words
   * @returns {WireWord[]} those that were not committed before
   */
  #commit(caption, words) {
    const { channel = 0 } = caption;
    const next = this.#nextWordIds.get(channel) ?? this.#firstWordId;
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
      epochMs: this.clock.epochMs(startMs),
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
