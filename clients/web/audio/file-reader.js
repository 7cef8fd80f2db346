// @ts-check
/** A file, heard as fast as the server hears, without playing it. */

import { CaptureError } from "./capture.js";
import { mono } from "./mono.js";

/** @typedef {import("./capture.js").CaptureHandlers} CaptureHandlers */

/** What the server makes of any sound anyway. */
const SAMPLE_RATE = 16_000;
const CHUNK_MS = 200;
/** The client keeps two minutes at most; what is silent it keeps longest. */
const MAX_AHEAD_MS = 45_000;
/** So little is left when it ends that the last words come soon. */
const MAX_LEFT_MS = 5_000;

/** A `Capture` that waits for the server instead of the clock. */
export class FileReading {
  sampleRate = SAMPLE_RATE;
  #sentSamples = 0;
  #processedMs = 0;
  #isPaused = false;
  #isOver = false;

  /**
   * @param {Float32Array} samples
   * @param {CaptureHandlers} handlers
   */
  constructor(samples, handlers) {
    this.samples = samples;
    this.handlers = handlers;
    // The session is made of what this is given to.
    setTimeout(() => this.#read());
  }

  get durationMs() {
    return (1000 * this.samples.length) / SAMPLE_RATE;
  }

  /** @param {number} processedMs what the server has heard by now */
  advance(processedMs) {
    this.#processedMs = processedMs;
    this.#read();
  }

  async pause() {
    this.#isPaused = true;
  }

  async resume() {
    this.#isPaused = false;
    this.#read();
  }

  async stop() {
    this.#isOver = true;
  }

  #read() {
    const step = (CHUNK_MS * SAMPLE_RATE) / 1000;
    while (!this.#isPaused && !this.#isOver && this.#sentSamples < this.samples.length) {
      const sampleOffset = this.#sentSamples;
      if ((1000 * sampleOffset) / SAMPLE_RATE - this.#processedMs > MAX_AHEAD_MS) return;
      const samples = this.samples.slice(sampleOffset, sampleOffset + step);
      this.#sentSamples += samples.length;
      this.handlers.onChunk({ sampleOffset, captureTimeMs: 0, samples });
    }
    const isSent = this.#sentSamples === this.samples.length;
    if (this.#isOver || !isSent || this.durationMs - this.#processedMs > MAX_LEFT_MS) return;
    this.#isOver = true;
    this.handlers.onEnded();
  }
}

/**
 * @param {File} file
 * @param {CaptureHandlers} handlers
 */
export async function readFile(file, handlers) {
  try {
    const decoder = new OfflineAudioContext(1, 1, SAMPLE_RATE);
    const sound = await decoder.decodeAudioData(await file.arrayBuffer());
    return new FileReading(mono(sound, sound.getChannelData(0)), handlers);
  } catch {
    throw new CaptureError(
      `“${file.name}” cannot be read as audio. Choose a WAV, MP3, FLAC, OGG or M4A file; one of many ` +
        "hours may be too large for the browser: streamer transcribe reads those.",
    );
  }
}
