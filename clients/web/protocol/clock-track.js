// @ts-check
/** What time of day it was at each moment of the sound: a pause stops the sound, not the clock. */

/** Smaller shifts are those of the audio's clock. */
const JUMP_MS = 500;

export class ClockTrack {
  /** @type {{audioMs: number, epochMs: number}[]} */
  #anchors = [];

  /**
   * @param {number} audioMs of the session's sound
   * @param {number} epochMs when that was heard, since the Unix epoch; 0 if unknown
   */
  observe(audioMs, epochMs) {
    const expected = this.epochMs(audioMs);
    if (epochMs === 0 || (expected !== null && Math.abs(expected - epochMs) < JUMP_MS)) return;
    this.#anchors.push({ audioMs, epochMs });
  }

  /**
   * @param {number} audioMs
   * @returns {number | null} milliseconds since the Unix epoch; null if unknown
   */
  epochMs(audioMs) {
    const anchor = this.#anchors.findLast((each) => each.audioMs <= audioMs) ?? this.#anchors[0];
    return anchor === undefined ? null : Math.round(anchor.epochMs + audioMs - anchor.audioMs);
  }
}
