// @ts-check
/** How long words take from their end in the air to their first showing here, tentative or not. */

/** @typedef {import("../../protocol/client.js").Chunk} Chunk */
/** @typedef {import("../../protocol/client.js").WireWord} WireWord */

const RECENT_MS = 5_000;

export class ShownDelay {
  /** @type {{atMs: number, delayMs: number}[]} */
  #recent = [];
  #lastShownId = -1;

  reset() {
    this.#recent = [];
    this.#lastShownId = -1;
  }

  /**
   * @param {WireWord[]} words that are shown now
   * @param {Chunk | null} newest
   * @param {number} sampleRate
   * @returns {number[]} milliseconds, of each word that is shown for the first time
   */
  measure(words, newest, sampleRate) {
    // A recording that is read was never in the air.
    if (newest === null || newest.captureTimeMs === 0) return [];
    const sessionStartMs = newest.captureTimeMs - (1000 * newest.sampleOffset) / sampleRate;
    const nowMs = performance.timeOrigin + performance.now();
    const fresh = words.filter((word) => word.id > this.#lastShownId);
    this.#lastShownId = Math.max(this.#lastShownId, ...fresh.map((word) => word.id));
    const delaysMs = fresh.map((word) => Math.max(0, nowMs - sessionStartMs - word.end_ms));
    this.#recent.push(...delaysMs.map((delayMs) => ({ atMs: nowMs, delayMs })));
    return delaysMs;
  }

  /** @returns {number} the median of the last while; 0 if nothing was shown */
  get typicalMs() {
    const nowMs = performance.timeOrigin + performance.now();
    this.#recent = this.#recent.filter(({ atMs }) => nowMs - atMs < RECENT_MS);
    const sorted = this.#recent.map(({ delayMs }) => delayMs).sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? 0;
  }
}
