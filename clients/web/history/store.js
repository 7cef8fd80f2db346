// @ts-check
/** The history on this device, in IndexedDB: sessions, their captions, corrections and sound. */

import { assign } from "../captions/corrections.js";
import { answered, completed } from "./database.js";

/** @typedef {import("../protocol/transcript.js").Caption} Caption */
/** @typedef {import("../protocol/transcript.js").Correction} Correction */
/** @typedef {import("../audio/recording.js").Sound} Sound */

const NAME = "streamer.history";
const VERSION = 1;

/**
 * What it takes to fetch from the server what it says after a crash. All events up to `lastSeq` are
 * in the captions that are kept.
 *
 * @typedef {{sessionId: string, resumeToken: string, lastSeq: number, resumeMs: number}} Resume
 */

/**
 * A session of the page, from Start to Stop. Times of its captions and its sound are milliseconds
 * of its own sound. `lock` is held by the page that captions it. `updatedAtMs` and `startedAtMs`
 * are since the Unix epoch. Sound is kept from `soundFromMs` to `soundToMs`.
 *
 * @typedef {{id: number, title: string, lock: string, startedAtMs: number, updatedAtMs: number,
 *   durationMs: number, lines: number, firstWords: string, ended: boolean, resume: Resume | null,
 *   sampleRate: number, soundFromMs: number, soundToMs: number}} Session
 */

/** @typedef {{session: number, index: number, caption: Caption}} CaptionRow */
/** @typedef {{session: number, startMs: number, samples: Int16Array<ArrayBuffer>}} SoundRow */

const SESSIONS = "sessions";
const CAPTIONS = "captions";
const CORRECTIONS = "corrections";
const SOUND = "sound";
const ALL = [SESSIONS, CAPTIONS, CORRECTIONS, SOUND];

export class HistoryStore {
  /** @param {IDBDatabase} database */
  constructor(database) {
    this.database = database;
    // Another tab has a newer page.
    database.onversionchange = () => database.close();
  }

  /**
   * Throws a DOMException where the browser keeps nothing, in some private windows for instance.
   */
  static async open() {
    const opening = indexedDB.open(NAME, VERSION);
    opening.onupgradeneeded = () => {
      const { result } = opening;
      result.createObjectStore(SESSIONS, { keyPath: "id", autoIncrement: true });
      result.createObjectStore(CAPTIONS, { keyPath: ["session", "index"] });
      result.createObjectStore(CORRECTIONS, { keyPath: ["session", "index", "number"] });
      result.createObjectStore(SOUND, { keyPath: ["session", "startMs"] });
    };
    return new HistoryStore(await answered(opening));
  }

  /**
   * @param {Omit<Session, "id">} session
   * @returns {Promise<number>} its id
   */
  async add(session) {
    const transaction = this.#write([SESSIONS]);
    const id = await answered(transaction.objectStore(SESSIONS).add(session));
    await completed(transaction);
    return Number(id);
  }

  /**
   * Writes all or nothing.
   *
   * @param {number} id
   * @param {Partial<Session>} changes
   * @param {CaptionRow[]} captions
   * @param {SoundRow[]} sound
   * @returns {Promise<boolean>} whether the session is still there: it may have been deleted
   */
  async save(id, changes, captions, sound) {
    const transaction = this.#write(ALL);
    const sessions = transaction.objectStore(SESSIONS);
    const held = /** @type {Session | undefined} */ (await answered(sessions.get(id)));
    if (held === undefined) return false;
    for (const row of captions) transaction.objectStore(CAPTIONS).put(row);
    for (const row of sound) transaction.objectStore(SOUND).put(row);
    const span = sound.length > 0 ? spanWith(held, sound) : {};
    sessions.put({ ...held, ...changes, ...span });
    await completed(transaction);
    return true;
  }

  /**
   * @param {number} session
   * @param {number} index of the caption
   * @param {Correction} event
   */
  async note(session, index, event) {
    const transaction = this.#write([CORRECTIONS]);
    const events = transaction.objectStore(CORRECTIONS);
    const number = await answered(events.count(under([session, index])));
    events.put({ session, index, number, event });
    await completed(transaction);
  }

  /** @returns {Promise<Session[]>} the newest first */
  async sessions() {
    const found = await answered(this.#read(SESSIONS).getAll());
    return found.reverse();
  }

  /**
   * @param {number} id
   * @returns {Promise<{index: number, caption: Caption}[]>} in order, as they were corrected
   */
  async captions(id) {
    /** @type {CaptionRow[]} */
    const rows = await answered(this.#read(CAPTIONS).getAll(under([id])));
    const events = await answered(this.#read(CORRECTIONS).getAll(under([id])));
    assign(events.map(({ event }) => event), rows.map(({ caption }) => caption));
    return rows;
  }

  /**
   * @param {Session} session
   * @returns {Promise<Sound>}
   */
  async sound({ id, sampleRate }) {
    /** @type {SoundRow[]} */
    const rows = await answered(this.#read(SOUND).getAll(under([id])));
    return { startMs: rows[0]?.startMs ?? 0, sampleRate, parts: rows.map((row) => row.samples) };
  }

  /**
   * @param {number} id
   * @param {string} title
   */
  async rename(id, title) {
    await this.save(id, { title }, [], []);
  }

  /** @param {number[]} ids */
  async remove(ids) {
    const transaction = this.#write(ALL);
    for (const id of ids) {
      transaction.objectStore(SESSIONS).delete(id);
      for (const name of [CAPTIONS, CORRECTIONS, SOUND]) {
        transaction.objectStore(name).delete(under([id]));
      }
    }
    await completed(transaction);
  }

  /**
   * Drops the oldest sound of all sessions.
   *
   * @param {(keptMs: number) => number} excessMs how much of what is kept has to go
   * @returns {Promise<number>} how many milliseconds went
   */
  async dropSound(excessMs) {
    const transaction = this.#write([SESSIONS, SOUND]);
    const sessions = transaction.objectStore(SESSIONS);
    /** @type {Session[]} */
    const found = await answered(sessions.getAll());
    const keptMs = found.reduce((sum, { soundFromMs, soundToMs }) => sum + soundToMs - soundFromMs, 0);
    const wantedMs = Math.min(keptMs, excessMs(keptMs));
    let leftMs = wantedMs;
    for (const session of found) {
      if (leftMs <= 0) break;
      const goneMs = Math.min(leftMs, session.soundToMs - session.soundFromMs);
      if (goneMs === 0) continue;
      const soundFromMs = session.soundFromMs + goneMs;
      const range = IDBKeyRange.bound([session.id], [session.id, soundFromMs], false, true);
      transaction.objectStore(SOUND).delete(range);
      sessions.put({ ...session, soundFromMs });
      leftMs -= goneMs;
    }
    await completed(transaction);
    return wantedMs - Math.max(0, leftMs);
  }

  /** @param {string[]} names */
  #write(names) {
    return this.database.transaction(names, "readwrite");
  }

  /** @param {string} name */
  #read(name) {
    return this.database.transaction(name).objectStore(name);
  }
}

/**
 * @param {Session} held
 * @param {SoundRow[]} added
 * @returns {{soundFromMs: number, soundToMs: number}}
 */
function spanWith({ soundFromMs, soundToMs, sampleRate }, added) {
  const last = added[added.length - 1];
  const isFirst = soundFromMs === soundToMs;
  return {
    soundFromMs: isFirst ? added[0].startMs : soundFromMs,
    soundToMs: last.startMs + (1000 * last.samples.length) / sampleRate,
  };
}

/**
 * @param {number[]} prefix
 * @returns {IDBKeyRange} all keys that begin with it
 */
function under(prefix) {
  // An array sorts behind every number.
  return IDBKeyRange.bound(prefix, [...prefix, []]);
}
