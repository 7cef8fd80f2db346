// @ts-check
/** One session on its way to the history. */

import { pcm16 } from "../audio/recording.js";
import { joinWords } from "../protocol/transcript.js";
import { isFull } from "./database.js";

/** @typedef {import("../protocol/client.js").Chunk} Chunk */
/** @typedef {import("../protocol/transcript.js").Caption} Caption */
/** @typedef {import("../protocol/transcript.js").Correction} Correction */
/** @typedef {import("./store.js").HistoryStore} HistoryStore */
/** @typedef {import("./store.js").Resume} Resume */
/** @typedef {import("./store.js").Session} Session */
/** @typedef {import("./store.js").SoundRow} SoundRow */

/** What a crash may take of the sound. Words do not wait. */
const WRITE_EVERY_MS = 1000;
const TRIM_EVERY_WRITES = 30;
/** Where the device is full, so much sound goes at once. */
const DROPPED_MS = 5 * 60_000;
const FIRST_WORDS_CHARS = 120;

/** `soundMinutes`: of all sessions together, whether this one `keepsSound` or not.
 * @typedef {{title: string, sampleRate: number, soundMinutes: number, keepsSound: boolean}} KeepOptions */

/** Older sound was dropped; no sound is kept any more; nothing is.
 * @typedef {"less-sound" | "no-sound" | "nothing"} Trouble */

/** Writes what was said at once, and what was heard once a second. */
export class KeptSession {
  /** @type {Resume | null} */
  resume = null;

  /** @type {WeakMap<Caption, number>} */
  #indexes = new WeakMap();
  /** @type {Set<Caption>} */
  #changed = new Set();
  /** @type {SoundRow[]} */
  #sound = [];
  /** @type {Int16Array[]} */
  #parts = [];
  #partsFromMs = 0;
  #durationMs = 0;
  #baseMs = 0;
  #writes = 0;
  #firstWords = "";
  #lines = 0;
  #keepsSound;
  #isGone = false;
  #isEnded = false;
  #id = 0;
  /** @type {HistoryStore | null} */
  #store = null;
  #unlock = () => {};
  #savedMs = -1;
  /** @type {Promise<void>} */
  #writing;
  #beat;

  /**
   * @param {Promise<HistoryStore | null>} opening null where the browser keeps nothing
   * @param {KeepOptions} options
   * @param {(trouble: Trouble) => void} onTrouble
   */
  constructor(opening, options, onTrouble) {
    this.opening = opening;
    this.options = options;
    this.onTrouble = onTrouble;
    this.#keepsSound = options.keepsSound && options.soundMinutes > 0;
    this.#writing = this.#begin();
    this.#beat = setInterval(() => void this.flush(), WRITE_EVERY_MS);
  }

  /** @param {Chunk} chunk */
  hear({ sampleOffset, samples }) {
    const { sampleRate } = this.options;
    this.#durationMs = (1000 * (sampleOffset + samples.length)) / sampleRate;
    if (!this.#keepsSound) return;
    if (this.#parts.length === 0) this.#partsFromMs = (1000 * sampleOffset) / sampleRate;
    this.#parts.push(pcm16(samples));
  }

  /**
   * @param {Caption} caption that has changed
   * @param {number} baseMs where the session begins on the time line of the caption
   */
  keep(caption, baseMs) {
    this.#baseMs = baseMs;
    if (caption.words.length === 0) return;
    if (!this.#indexes.has(caption)) {
      this.#indexes.set(caption, this.#lines);
      this.#lines += 1;
    }
    this.#changed.add(caption);
    if (this.#lines === 1) this.#firstWords = joinWords(caption.words).slice(0, FIRST_WORDS_CHARS);
    void this.flush();
  }

  /** @param {Caption[]} captions of any session; of this one they have changed once more */
  keepAgain(captions) {
    const own = captions.filter((caption) => this.#indexes.has(caption));
    for (const caption of own) this.#changed.add(caption);
    if (own.length > 0) void this.flush();
  }

  /**
   * @param {Caption} caption
   * @param {Correction} event
   * @returns {Promise<boolean>} false if the caption is not of this session
   */
  async note(caption, event) {
    const index = this.#indexes.get(caption);
    if (index === undefined) return false;
    await this.flush();
    if (!this.#isGone) await this.#store?.note(this.#id, index, event);
    return true;
  }

  /** @returns {Promise<void>} when all that is known by now has been written, or cannot be */
  flush() {
    this.#writing = this.#writing.then(() => this.#write(false));
    return this.#writing;
  }

  /**
   * @param {boolean} isComplete whether the server has heard all: without any words there is
   *   nothing to keep then
   */
  async end(isComplete) {
    clearInterval(this.#beat);
    this.resume = null;
    this.#writing = this.#writing.then(() => this.#write(true));
    await this.#writing;
    if (isComplete && this.#lines === 0 && !this.#isGone) await this.#store?.remove([this.#id]);
    this.#unlock();
  }

  async #begin() {
    const { title, sampleRate } = this.options;
    this.#store = await this.opening;
    if (this.#store === null) return this.#giveUp();
    const nowMs = Date.now();
    const lock = `streamer.history.${nowMs}.${crypto.getRandomValues(new Uint32Array(1))[0]}`;
    // Held until the session ends, or its page does: so another page knows that it is alive.
    const ended = new Promise((resolve) => (this.#unlock = () => resolve(undefined)));
    await new Promise((resolve) => {
      // Pages that are not secure have no locks.
      if (navigator.locks === undefined) resolve(undefined);
      else void navigator.locks.request(lock, () => (resolve(undefined), ended));
    });
    await this.#guarded(async () => {
      this.#id = (await this.#store?.add({
        title,
        lock,
        startedAtMs: nowMs,
        updatedAtMs: nowMs,
        durationMs: 0,
        lines: 0,
        firstWords: "",
        ended: false,
        resume: null,
        sampleRate,
        soundFromMs: 0,
        soundToMs: 0,
      })) ?? 0;
    });
    await this.#trim();
  }

  /** @param {boolean} ended */
  async #write(ended) {
    const isNew = this.#changed.size > 0 || this.#durationMs !== this.#savedMs || ended;
    if (this.#isGone || !isNew) return;
    this.#savedMs = this.#durationMs;
    this.#isEnded ||= ended;
    const captions = [...this.#changed].map((caption) => ({
      session: this.#id,
      index: this.#indexes.get(caption) ?? 0,
      caption: moved(caption, -this.#baseMs),
    }));
    this.#changed.clear();
    const heardMs = this.#durationMs - this.#partsFromMs;
    if (ended || heardMs >= WRITE_EVERY_MS) this.#closeParts();
    const sound = this.#sound.map((row) => ({ ...row, session: this.#id }));
    this.#sound = [];
    const changes = {
      updatedAtMs: Date.now(),
      durationMs: this.#durationMs,
      lines: this.#lines,
      firstWords: this.#firstWords,
      // As it is now: what comes while this is being written is not in these captions.
      resume: this.resume === null ? null : { ...this.resume },
      ended: this.#isEnded,
    };
    const save = async (/** @type {SoundRow[]} */ rows) => {
      this.#isGone = !(await this.#store?.save(this.#id, changes, captions, rows));
    };
    await this.#guarded(() => save(sound), () => save([]));
    this.#writes += 1;
    if (this.#writes % TRIM_EVERY_WRITES === 0) await this.#trim();
  }

  /** What has been heard since the last write becomes one row. */
  #closeParts() {
    if (this.#parts.length === 0) return;
    const samples = new Int16Array(this.#parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.#parts) {
      samples.set(part, at);
      at += part.length;
    }
    this.#parts = [];
    this.#sound.push({ session: 0, startMs: this.#partsFromMs, samples });
  }

  /**
   * @param {(keptMs: number) => number} excessMs
   * @returns {Promise<number>} how much went
   */
  async #drop(excessMs) {
    return (await this.#store?.dropSound(excessMs).catch(() => 0)) ?? 0;
  }

  /** What exceeds the wanted minutes goes, the oldest first. */
  async #trim() {
    const limitMs = this.options.soundMinutes * 60_000;
    await this.#drop((keptMs) => keptMs - limitMs);
  }

  /**
   * Where the device is full the oldest sound goes, then sound is not kept any more; text is the
   * last to be given up, and the person is told.
   *
   * @param {() => Promise<unknown>} write
   * @param {() => Promise<unknown>} writeText
   */
  async #guarded(write, writeText = write) {
    const withLess = async () => {
      if ((await this.#drop(() => DROPPED_MS)) > 0) this.onTrouble("less-sound");
      await write();
    };
    const withoutSound = async () => {
      this.#keepsSound = false;
      this.#parts = [];
      await this.#drop(() => Infinity);
      await writeText();
      this.onTrouble("no-sound");
    };
    for (const attempt of [write, withLess, withoutSound]) {
      try {
        await attempt();
        return;
      } catch (error) {
        if (!isFull(error)) break;
      }
    }
    this.#giveUp();
  }

  #giveUp() {
    this.#isGone = true;
    this.onTrouble("nothing");
  }
}

/**
 * @param {Caption} caption
 * @param {number} byMs
 * @returns {Caption} on another time line, without what is kept beside it
 */
export function moved({ corrections: _, ...caption }, byMs) {
  const move = (/** @type {{start_ms: number, end_ms: number}} */ { start_ms, end_ms }) => ({
    start_ms: start_ms + byMs,
    end_ms: end_ms + byMs,
  });
  return {
    ...caption,
    startMs: caption.startMs + byMs,
    endMs: caption.endMs + byMs,
    words: caption.words.map((word) => ({ ...word, ...move(word) })),
  };
}
