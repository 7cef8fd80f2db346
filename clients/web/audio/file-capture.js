// @ts-check
/** A file, played audibly and heard at its own speed, as if it were spoken into a microphone. */

import { mono } from "./mono.js";

/** @typedef {import("./capture.js").CaptureHandlers} CaptureHandlers */

const CHUNK_MS = 50;
/** Timers of tabs out of sight may be late. */
const MAX_CHUNK_S = 1;

/** Its samples are taken by the clock, not by a worklet, which pages that are not secure lack. */
export class FileCapture {
  #given = 0;
  #beginS = 0;
  #timer = 0;

  /**
   * @param {AudioContext} context running, of the samples' rate
   * @param {AudioBuffer} buffer
   * @param {CaptureHandlers} handlers
   */
  constructor(context, buffer, handlers) {
    this.context = context;
    this.sampleRate = context.sampleRate;
    this.handlers = handlers;
    this.samples = mono(buffer);
    this.source = context.createBufferSource();
    this.source.buffer = buffer;
    this.source.connect(context.destination);
    this.source.onended = () => {
      this.#give(this.samples.length);
      handlers.onEnded();
    };
    this.source.start();
    this.#beginS = context.currentTime;
    this.#timer = setInterval(() => this.#give(this.#playedSamples), CHUNK_MS);
  }

  async pause() {
    await this.context.suspend();
  }

  async resume() {
    await this.context.resume();
  }

  async stop() {
    clearInterval(this.#timer);
    this.source.onended = null;
    this.#give(this.#playedSamples);
    await this.context.close();
  }

  get #playedSamples() {
    const playedS = this.context.currentTime - this.#beginS;
    return Math.min(this.samples.length, Math.floor(playedS * this.sampleRate));
  }

  /** @param {number} end of the samples that have been heard */
  #give(end) {
    const beginMs = performance.timeOrigin + performance.now() - 1000 * (this.context.currentTime - this.#beginS);
    while (this.#given < end) {
      const sampleOffset = this.#given;
      this.#given = Math.min(end, sampleOffset + MAX_CHUNK_S * this.sampleRate);
      this.handlers.onChunk({
        sampleOffset,
        captureTimeMs: beginMs + (1000 * sampleOffset) / this.sampleRate,
        samples: this.samples.subarray(sampleOffset, this.#given),
      });
    }
  }
}
