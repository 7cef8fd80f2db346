// @ts-check
/** What was captioned, as the server's ledger tells it, and its exports. No DOM in here. */

/** @typedef {import("./client.js").WireWord} WireWord */
/** @typedef {import("./client.js").WireEmotion} WireEmotion */
/** @typedef {import("./client.js").WordsEvent} WordsEvent */
/** @typedef {import("./client.js").SegmentEvent} SegmentEvent */

/**
 * One caption. Times are milliseconds of all audio heard on this page: sessions follow one
 * another on one time line, so that the subtitle exports stay in order.
 *
 * @typedef {{sessionId: string, segmentId: number, startMs: number, endMs: number,
 *   words: WireWord[], emotion: WireEmotion | null, final: boolean}} Caption
 */

/** Committed words only ever grow; tentative words are replaced at every event. */
export class Transcript {
  /** @type {Caption[]} */
  captions = [];
  /** @type {Caption | null} the segment being spoken, with its committed words */
  open = null;
  /** @type {WireWord[]} */
  tentative = [];

  #sessionId = "";
  #baseMs = 0;
  #endMs = 0;
  #nextWordId = 0;

  /** @param {string} sessionId */
  beginSession(sessionId) {
    this.#sessionId = sessionId;
    this.#baseMs = this.#endMs;
    this.#nextWordId = 0;
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

  /** The open segment will not be finished: what was committed of it stays as it is. */
  interrupt() {
    this.tentative = [];
    if (this.open !== null && this.open.words.length > 0) this.captions.push(this.open);
    this.open = null;
  }

  /**
   * @param {WordsEvent} event
   * @returns {WireWord[]} the words committed by this event
   */
  applyWords(event) {
    const added = event.words.filter((word) => word.state !== "tentative" && this.#isNew(word));
    this.tentative = event.words.filter((word) => word.state === "tentative").map(this.#shift);
    if (this.open === null && event.words.length > 0) {
      this.open = this.#newCaption(event.segment_id, event.words[0].start_ms);
    }
    return this.#commit(added);
  }

  /**
   * @param {SegmentEvent} event
   * @returns {{caption: Caption, added: WireWord[]}} the caption, now final, and the words of it
   *   that no earlier event had committed
   */
  applySegment(event) {
    this.open ??= this.#newCaption(event.segment_id, event.start_ms);
    const added = this.#commit(event.words.filter((word) => this.#isNew(word)));
    const caption = this.open;
    caption.startMs = this.#baseMs + event.start_ms;
    caption.endMs = this.#baseMs + event.end_ms;
    caption.emotion = event.emotion;
    caption.final = true;
    if (caption.words.length > 0) this.captions.push(caption);
    this.open = null;
    this.tentative = [];
    this.#endMs = Math.max(this.#endMs, caption.endMs);
    return { caption, added };
  }

  /** @returns {Caption[]} everything committed so far, oldest first */
  committed() {
    const open = this.open !== null && this.open.words.length > 0 ? [this.open] : [];
    return [...this.captions, ...open];
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

  /** @param {WireWord[]} words */
  #commit(words) {
    const added = words.map(this.#shift);
    if (added.length > 0 && this.open !== null) {
      this.open.words.push(...added);
      this.open.endMs = added[added.length - 1].end_ms;
      this.#nextWordId = added[added.length - 1].id + 1;
    }
    return added;
  }

  /** @param {WireWord} word */
  #isNew(word) {
    return word.id >= this.#nextWordId;
  }

  /** @type {(word: WireWord) => WireWord} */
  #shift = (word) => ({
    ...word,
    start_ms: this.#baseMs + word.start_ms,
    end_ms: this.#baseMs + word.end_ms,
  });

  /**
   * @param {number} segmentId
   * @param {number} startMs
   * @returns {Caption}
   */
  #newCaption(segmentId, startMs) {
    const start = this.#baseMs + startMs;
    return {
      sessionId: this.#sessionId,
      segmentId,
      startMs: start,
      endMs: start,
      words: [],
      emotion: null,
      final: false,
    };
  }
}

/** @param {WireWord[]} words */
export function joinWords(words) {
  return words.map((word) => word.text).join(" ");
}

/** @param {Caption[]} captions */
export function toText(captions) {
  return captions.map((caption) => `${joinWords(caption.words)}\n`).join("");
}

/** @param {Caption[]} captions */
export function toJsonLines(captions) {
  return captions.map((caption) => `${JSON.stringify(captionRecord(caption))}\n`).join("");
}

/** @param {Caption[]} captions */
export function toSubRip(captions) {
  return subtitleCues(captions)
    .map(
      (cue, index) =>
        `${index + 1}\n${timestamp(cue.startMs, ",")} --> ${timestamp(cue.endMs, ",")}\n${cue.text}\n`,
    )
    .join("\n");
}

/** @param {Caption[]} captions */
export function toWebVtt(captions) {
  const cues = subtitleCues(captions).map((cue) => {
    const text = cue.text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
    const voiced = cue.emotion ? `<c.${cue.emotion}>${text}</c>` : text;
    return `${timestamp(cue.startMs, ".")} --> ${timestamp(cue.endMs, ".")}\n${voiced}\n`;
  });
  return ["WEBVTT\n", ...cues].join("\n");
}

/** @param {Caption} caption */
function captionRecord(caption) {
  return {
    session_id: caption.sessionId,
    segment_id: caption.segmentId,
    start_s: seconds(caption.startMs),
    end_s: seconds(caption.endMs),
    text: joinWords(caption.words),
    final: caption.final,
    emotion: caption.emotion,
    words: caption.words.map((word) => ({
      text: word.text,
      start_s: seconds(word.start_ms),
      end_s: seconds(word.end_ms),
      confidence: word.confidence,
    })),
  };
}

const MAX_CUE_WORDS = 14;

/**
 * Subtitles must be readable at a glance, so a long caption becomes several cues.
 *
 * @param {Caption[]} captions
 */
function subtitleCues(captions) {
  return captions.flatMap((caption) => {
    const count = Math.ceil(caption.words.length / MAX_CUE_WORDS);
    const size = Math.ceil(caption.words.length / count);
    return Array.from({ length: count }, (_, i) => {
      const words = caption.words.slice(i * size, (i + 1) * size);
      return {
        startMs: words[0].start_ms,
        endMs: words[words.length - 1].end_ms,
        text: joinWords(words),
        emotion: caption.emotion?.label ?? "",
      };
    });
  });
}

/** @param {number} ms */
function seconds(ms) {
  return Math.round(ms) / 1000;
}

/**
 * @param {number} ms
 * @param {string} decimalMark
 * @returns {string} hh:mm:ss and milliseconds
 */
function timestamp(ms, decimalMark) {
  const total = Math.max(0, Math.round(ms));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const clock = [total / 3_600_000, (total / 60_000) % 60, (total / 1000) % 60];
  const millis = String(total % 1000).padStart(3, "0");
  return `${clock.map((part) => two(Math.floor(part))).join(":")}${decimalMark}${millis}`;
}
