// @ts-check
/** Audio sources: a microphone or a decoded file, as timed chunks of mono samples. */

/** @typedef {import("./client.js").Chunk} Chunk */
/** @typedef {{deviceId: string, echoCancellation: boolean, noiseSuppression: boolean,
 *   autoGainControl: boolean}} MicrophoneOptions */
/** @typedef {{onChunk: (chunk: Chunk) => void, onEnded: () => void}} CaptureHandlers */

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

  /** @param {{type: "chunk", samples: Float32Array, startTimeS: number} | {type: "finished"}} data */
  #receive(data) {
    if (data.type === "finished") {
      this.#finished();
      return;
    }
    const { samples, startTimeS } = data;
    this.#clock.observe(startTimeS + samples.length / this.sampleRate);
    const captureTimeMs = this.#clock.epochMs(startTimeS) - this.inputLatencyMs;
    const sampleOffset = this.#sampleOffset;
    this.#sampleOffset += samples.length;
    this.handlers.onChunk({ sampleOffset, captureTimeMs, samples });
  }
}

/**
 * Opens the microphone. Recording begins the moment the browser grants it.
 *
 * @param {MicrophoneOptions} options
 * @param {CaptureHandlers} handlers
 */
export async function captureMicrophone(options, handlers) {
  if (navigator.mediaDevices === undefined) {
    throw new CaptureError(
      "Browsers give the microphone to secure pages only. Open this page over https://, or on " +
        "the server's own machine as http://localhost.",
    );
  }
  const context = await openContext();
  try {
    const { deviceId, ...processing } = options;
    const device = deviceId ? { deviceId: { exact: deviceId } } : {};
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { ...processing, ...device, channelCount: { ideal: 1 } },
    });
    const [track] = stream.getAudioTracks();
    track.onended = handlers.onEnded;
    const latencyS = /** @type {{latency?: number}} */ (track.getSettings()).latency ?? 0;
    const node = chunkNode(context);
    context.createMediaStreamSource(stream).connect(node);
    node.connect(context.destination);
    return new Capture(context, node, 1000 * latencyS, handlers, () => track.stop());
  } catch (error) {
    await context.close();
    throw microphoneError(error);
  }
}

/**
 * Plays a file at its own speed, audibly, as if it were spoken into a microphone.
 *
 * @param {File} file
 * @param {CaptureHandlers} handlers
 */
export async function captureFile(file, handlers) {
  const context = await openContext();
  try {
    const source = context.createBufferSource();
    source.buffer = await context.decodeAudioData(await file.arrayBuffer());
    source.onended = handlers.onEnded;
    const node = chunkNode(context);
    source.connect(node);
    source.connect(context.destination);
    node.connect(context.destination);
    const capture = new Capture(context, node, 0, handlers, () => {
      source.onended = null;
      source.disconnect();
    });
    source.start();
    return capture;
  } catch {
    await context.close();
    throw new CaptureError(
      `“${file.name}” cannot be read as audio. Choose a WAV, MP3, FLAC, OGG or M4A file.`,
    );
  }
}

/** @returns {Promise<{deviceId: string, label: string}[]>} the microphones, named once allowed */
export async function listMicrophones() {
  if (navigator.mediaDevices === undefined) return [];
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices
    .filter((device) => device.kind === "audioinput" && device.deviceId !== "")
    .map(({ deviceId, label }, index) => ({ deviceId, label: label || `Microphone ${index + 1}` }));
}

async function openContext() {
  let context = new AudioContext();
  if (context.sampleRate > MAX_SAMPLE_RATE) {
    await context.close();
    context = new AudioContext({ sampleRate: MAX_SAMPLE_RATE });
  }
  try {
    await context.audioWorklet.addModule("/static/worklet.js");
  } catch {
    await context.close();
    throw new CaptureError(
      `The server at ${window.location.host} cannot be reached. Check that it is running, then ` +
        "press Start.",
    );
  }
  await context.resume();
  return context;
}

/** @param {AudioContext} context */
function chunkNode(context) {
  const quanta = Math.round((CHUNK_MS / 1000) * (context.sampleRate / RENDER_QUANTUM));
  return new AudioWorkletNode(context, "chunk-processor", {
    numberOfInputs: 1,
    channelCount: 1,
    channelCountMode: "explicit",
    processorOptions: { chunkFrames: Math.max(1, quanta) * RENDER_QUANTUM },
  });
}

/** @param {unknown} error from getUserMedia */
function microphoneError(error) {
  const name = error instanceof DOMException ? error.name : "";
  const advice = {
    NotAllowedError:
      "The microphone was refused. Allow it in the address bar's site settings, then press Start.",
    NotFoundError: "No microphone was found. Connect one and press Start, or play a file.",
    NotReadableError:
      "The microphone is there but does not answer. Close other programs that use it, then " +
      "press Start.",
    OverconstrainedError:
      "The chosen microphone is gone. Choose another one in the settings, then press Start.",
  }[name];
  return new CaptureError(advice ?? `The microphone could not be opened (${error}).`);
}
