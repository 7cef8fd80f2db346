// @ts-check
/** Sound as it comes, as timed chunks of samples. `sources.js` opens what can be heard. */

/** @typedef {import("../protocol/client.js").Chunk} Chunk */
/** `samples`: all that is heard, mixed; of two sides `sides` has each by itself.
 *
 *  @typedef {Chunk & {sides?: Float32Array[]}} HeardChunk */

/** `onMuted`: the system or the browser has muted the source, or does so no more.
 *
 *  @typedef {{onChunk: (chunk: HeardChunk) => void, onEnded: () => void,
 *   onMuted: (isMuted: boolean) => void}} CaptureHandlers */

/** What runs and can be stopped, whatever it hears. `stop` settles once every chunk was handed over.
 *
 *  @typedef {{readonly sampleRate: number, pause: () => Promise<void>, resume: () => Promise<void>,
 *   stop: () => Promise<void>}} RunningSource */

const START_MS = 8_000;
const CHUNK_MS = 50;
const RENDER_QUANTUM = 128;
const MAX_SAMPLE_RATE = 48_000;
const CLOCK_WINDOW_CHUNKS = 200;

/** The source cannot be opened; the message says what the person can do. */
export class CaptureError extends Error {}

/**
 * Maps the audio clock to the system clock. A chunk's message arrives late by an unknown, always
 * positive delay; the smallest recent one is the best estimate, and a window lets it follow drift.
 */
class AudioClock {
  /** @type {number[]} */
  #offsetsMs = [];

  /**
   * @param {number} endTimeS audio clock at the end of a chunk that has just arrived
   */
  observe(endTimeS) {
    this.#offsetsMs.push(performance.now() - 1000 * endTimeS);
    if (this.#offsetsMs.length > CLOCK_WINDOW_CHUNKS) this.#offsetsMs.shift();
  }

  /** The audio clock stood still for a while. */
  reset() {
    this.#offsetsMs = [];
  }

  /**
   * @param {number} timeS audio clock
   * @returns {number} milliseconds since the Unix epoch
   */
  epochMs(timeS) {
    return performance.timeOrigin + 1000 * timeS + Math.min(...this.#offsetsMs);
  }
}

/** A running source. Chunks follow one another without gaps from sample 0. */
export class Capture {
  #clock = new AudioClock();
  #sampleOffset = 0;
  /** @type {() => void} */
  #finished = () => {};

  /**
   * @param {AudioContext} context
   * @param {AudioWorkletNode} node
   * @param {number} inputLatencyMs age of a sample when the audio graph gets it, as far as known
   * @param {CaptureHandlers} handlers
   * @param {() => void} release frees the device
   */
  constructor(context, node, inputLatencyMs, handlers, release) {
    this.context = context;
    this.node = node;
    this.sampleRate = context.sampleRate;
    this.inputLatencyMs = inputLatencyMs;
    this.handlers = handlers;
    this.release = release;
    this.node.port.onmessage = ({ data }) => this.#receive(data);
  }

  /** Nothing is heard, and a file stands still, until `resume`. */
  async pause() {
    await this.context.suspend();
  }

  async resume() {
    this.#clock.reset();
    await this.context.resume();
  }

  /** Closes the source; every chunk of it has been handed over when this settles. */
  async stop() {
    const finished = new Promise((resolve) => {
      this.#finished = () => resolve(undefined);
    });
    this.node.port.postMessage("finish");
    // A context that the browser has suspended runs no worklet, so it would never answer.
    await Promise.race([finished, new Promise((resolve) => setTimeout(resolve, 500))]);
    this.release();
    await this.context.close();
  }

  /** @param {{type: "chunk", sides: Float32Array[], startTimeS: number} | {type: "finished"}} data */
  #receive(data) {
    if (data.type === "finished") {
      this.#finished();
      return;
    }
    const { sides, startTimeS } = data;
    const samples = sides.length === 1 ? sides[0] : mixed(sides);
    this.#clock.observe(startTimeS + samples.length / this.sampleRate);
    const captureTimeMs = this.#clock.epochMs(startTimeS) - this.inputLatencyMs;
    const sampleOffset = this.#sampleOffset;
    this.#sampleOffset += samples.length;
    this.handlers.onChunk({ sampleOffset, captureTimeMs, samples, ...(sides.length > 1 ? { sides } : {}) });
  }
}

/** A running audio graph. */
export async function openContext() {
  let context = new AudioContext();
  if (context.sampleRate > MAX_SAMPLE_RATE) {
    await context.close();
    context = new AudioContext({ sampleRate: MAX_SAMPLE_RATE });
  }
  // Firefox waits for a loudspeaker, for ever if there is none.
  const running = context.resume().then(() => true);
  const isRunning = await Promise.race([running, new Promise((resolve) => setTimeout(resolve, START_MS))]);
  if (isRunning) return context;
  void context.close();
  throw new CaptureError(
    "The browser's sound does not start. Connect a loudspeaker or headphones, then press Start.",
  );
}

/** A running audio graph that can gather chunks; only secure pages have such. */
export async function openGatheringContext() {
  const context = await openContext();
  try {
    await context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
  } catch {
    await context.close();
    throw new CaptureError(
      `The server at ${window.location.host} cannot be reached. Check that it is running, then ` +
        "press Start.",
    );
  }
  return context;
}

/**
 * @param {AudioContext} context
 * @param {number} sides each an input of its own
 */
export function chunkNode(context, sides) {
  const quanta = Math.round((CHUNK_MS / 1000) * (context.sampleRate / RENDER_QUANTUM));
  return new AudioWorkletNode(context, "chunk-processor", {
    numberOfInputs: sides,
    channelCount: 1,
    channelCountMode: "explicit",
    processorOptions: { chunkFrames: Math.max(1, quanta) * RENDER_QUANTUM },
  });
}

/** @param {Float32Array[]} sides as long as each other; mostly one of them speaks */
function mixed(sides) {
  return sides[0].map((_, i) => sides.reduce((sum, side) => sum + side[i], 0));
}
