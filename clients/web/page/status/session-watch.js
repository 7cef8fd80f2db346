// @ts-check
/** Gathers what is known of connection, sound and captions, and tells the condition they are in. */

import { conditionOf } from "./conditions.js";

/** @typedef {import("../../protocol/client.js").Chunk} Chunk */
/** @typedef {import("../../protocol/client.js").LatencyEvent} LatencyEvent */
/** @typedef {import("../../protocol/client.js").ServerEvent} ServerEvent */
/** @typedef {import("../../protocol/client.js").StreamClient} StreamClient */
/** @typedef {import("./conditions.js").Condition} Condition */
/** @typedef {import("./conditions.js").Facts} Facts */
/** @typedef {import("./conditions.js").Phase} Phase */
/** @typedef {import("./conditions.js").Source} Source */

const TICK_MS = 500;
const LAG_WARNING_MS = 1000;
const LAG_ALL_CLEAR_MS = 800;

/** Shorter breaks are not told when they are over. */
const BREAK_MS = 1_000;
const CLOSE_BEHIND_MS = 2_000;
const CAUGHT_UP_SHOWN_MS = 8_000;
/** Sound comes many times a second, unless the system has stopped it. */
const NO_SOUND_MS = 3_000;

export class SessionWatch {
  /** @type {Phase} */
  #phase = "idle";
  /** @type {Source} */
  #source = "microphone";
  /** @type {StreamClient | null} */
  #client = null;
  #ending = "";
  #isMuted = false;
  #silentSinceMs = 0;
  #heardMs = 0;
  #heardAtMs = 0;
  #captionAtMs = 0;
  #isBehind = false;
  #brokenAtMs = 0;
  #behindMs = 0;
  #mostBehindMs = 0;
  #caughtUpAtMs = 0;
  #ticking = 0;

  /** @param {(condition: Condition, facts: Facts) => void} onChange told at least twice a second */
  constructor(onChange) {
    this.onChange = onChange;
  }

  /** Whether what is heard reaches the server. */
  get isConnected() {
    return this.#client?.state === "live";
  }

  /** @param {Phase} phase */
  setPhase(phase) {
    this.#phase = phase;
    if (phase === "live") this.#heardAtMs = performance.now();
    clearInterval(this.#ticking);
    if (phase !== "idle") this.#ticking = setInterval(() => this.#tell(), TICK_MS);
    this.#tell();
  }

  /** @param {Source} source of the session that begins */
  begin(source) {
    this.#source = source;
    this.#client = null;
    this.#ending = "";
    this.#isMuted = this.#isBehind = false;
    this.#silentSinceMs = this.#heardMs = this.#captionAtMs = 0;
    this.#brokenAtMs = this.#behindMs = this.#mostBehindMs = this.#caughtUpAtMs = 0;
  }

  /** @param {StreamClient} client */
  follow(client) {
    this.#client = client;
    client.addEventListener("state", () => this.#connectionChanged());
    client.addEventListener("event", ({ detail }) => this.#handle(detail));
  }

  /** @param {string} reason why captions have stopped, though nobody asked for it */
  end(reason) {
    this.#ending = reason;
  }

  /** @param {boolean} isMuted */
  setMuted(isMuted) {
    this.#isMuted = isMuted;
    this.#tell();
  }

  /** @param {number} silentMs for how long there has been no sound at all; 0 once there is some */
  setSilence(silentMs) {
    this.#silentSinceMs = silentMs > 0 ? performance.now() - silentMs : 0;
    this.#tell();
  }

  /**
   * @param {Chunk} chunk
   * @param {number} sampleRate
   */
  hear({ sampleOffset, samples }, sampleRate) {
    this.#heardAtMs = performance.now();
    this.#heardMs = (1000 * (sampleOffset + samples.length)) / sampleRate;
  }

  #connectionChanged() {
    const client = /** @type {StreamClient} */ (this.#client);
    if (client.state !== "live") {
      this.#brokenAtMs ||= client.brokenAtMs;
      this.#behindMs = this.#caughtUpAtMs = 0;
    } else if (this.#brokenAtMs > 0) {
      const brokenMs = performance.now() - this.#brokenAtMs;
      this.#brokenAtMs = 0;
      this.#behindMs = this.#mostBehindMs = brokenMs >= BREAK_MS ? brokenMs : 0;
    }
    this.#tell();
  }

  /** @param {ServerEvent} event */
  #handle(event) {
    if ((event.type === "words" || event.type === "segment") && event.words.length > 0) {
      this.#captionAtMs = performance.now();
    }
    if (event.type === "latency") this.#measure(event);
  }

  /** @param {LatencyEvent} event */
  #measure({ lag_ms, processed_ms }) {
    this.#isBehind = lag_ms > (this.#isBehind ? LAG_ALL_CLEAR_MS : LAG_WARNING_MS);
    if (this.#behindMs > 0) {
      this.#behindMs = this.#heardMs - processed_ms;
      this.#mostBehindMs = Math.max(this.#mostBehindMs, this.#behindMs);
      if (this.#behindMs < CLOSE_BEHIND_MS) {
        this.#behindMs = 0;
        this.#caughtUpAtMs = performance.now();
      }
    }
    this.#tell();
  }

  #tell() {
    const facts = this.#facts();
    this.onChange(conditionOf(facts), facts);
  }

  /** @returns {Facts} */
  #facts() {
    const nowMs = performance.now();
    const since = (/** @type {number} */ atMs) => (atMs > 0 ? nowMs - atMs : 0);
    const client = this.#client;
    const stoppedMs = since(this.#heardAtMs);
    const justCaughtUp = this.#caughtUpAtMs > 0 && since(this.#caughtUpAtMs) < CAUGHT_UP_SHOWN_MS;
    return {
      phase: this.#phase,
      source: this.#source,
      connection: client?.state ?? null,
      brokenMs: since(client?.brokenAtMs ?? 0),
      retryInMs: client === null ? 0 : Math.max(0, client.retryAtMs - nowMs),
      isMuted: this.#isMuted,
      silentMs: since(this.#silentSinceMs) || (stoppedMs > NO_SOUND_MS ? stoppedMs : 0),
      isBehind: this.#isBehind,
      behindMs: this.#behindMs,
      caughtUpMs: justCaughtUp ? this.#mostBehindMs : 0,
      captionAgeMs: this.#captionAtMs > 0 ? since(this.#captionAtMs) : null,
      ending: this.#ending,
    };
  }
}
