// @ts-check
/** The native protocol, version 1, from the browser's side: frames, events, one session. */

/** @typedef {{id: number, text: string, start_ms: number, end_ms: number, confidence: number,
 *   state: "tentative" | "committed" | "final"}} WireWord */
/** @typedef {{label: string, probs: Record<string, number>}} WireEmotion */
/** @typedef {{p50: number, p95: number, p99: number}} Percentiles */

/** @typedef {{type: "ready", session_id: string, decoder: "draft" | "fused",
 *   models: Record<string, string>, max_message_bytes: number, buffer_ms: number}} ReadyEvent */
/** @typedef {{type: "words", segment_id: number, words: WireWord[], lag_ms: number}} WordsEvent */
/** @typedef {{type: "segment", segment_id: number, start_ms: number, end_ms: number, text: string,
 *   words: WireWord[], emotion: WireEmotion | null, lag_ms: number}} SegmentEvent */
/** @typedef {{type: "emotion", emotion: WireEmotion, start_ms: number, end_ms: number,
 *   lag_ms: number}} EmotionEvent */
/** @typedef {{type: "latency", lag_ms: number, received_ms: number, processed_ms: number,
 *   step_ms: Record<string, number>, stages_ms: Record<string, Percentiles>,
 *   capture_to_emit_ms: number | null}} LatencyEvent */
/** @typedef {{type: "decoder", decoder: "draft" | "fused", reason: string}} DecoderEvent */
/** @typedef {{type: "loss", start_ms: number, lost_samples: number, reason: string}} LossEvent */
/** @typedef {{type: "error", code: string, message: string, fatal: boolean}} ErrorEvent */
/** @typedef {{type: "bye", reason: string, received_ms: number, processed_ms: number,
 *   lost_samples: number, segments: number, words: number}} ByeEvent */
/** @typedef {ReadyEvent | WordsEvent | SegmentEvent | EmotionEvent | LatencyEvent | DecoderEvent
 *   | LossEvent | ErrorEvent | ByeEvent} ServerEvent */

/** @typedef {{sampleOffset: number, captureTimeMs: number, samples: Float32Array}} Chunk */
/** @typedef {{sampleRate: number, context: string, hotWords: string[]}} StartOptions */
/** @typedef {{code: number, reason: string, wasReady: boolean, saidBye: boolean,
 *   timedOut: boolean}} Closing */
/** @typedef {{onEvent: (event: ServerEvent) => void, onClosed: (closing: Closing) => void,
 *   onDropped: (droppedMs: number) => void}} Handlers */

export const PROTOCOL_VERSION = 1;
const SUBPROTOCOL = "streamer.v1";
const HEADER_BYTES = 24;
const CONNECT_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 20_000;
const MAX_QUEUED_MS = 60_000;
const MAX_SOCKET_BACKLOG_BYTES = 256 * 1024;
const RETRY_MS = 25;

/**
 * A binary audio frame: the 24-byte header and 16-bit samples, all little-endian.
 *
 * @param {number} seq
 * @param {Chunk} chunk
 * @returns {ArrayBuffer}
 */
export function encodeFrame(seq, { sampleOffset, captureTimeMs, samples }) {
  const frame = new ArrayBuffer(HEADER_BYTES + 2 * samples.length);
  const view = new DataView(frame);
  view.setUint8(0, 0x53); // "S"
  view.setUint8(1, 0x41); // "A"
  view.setUint8(2, PROTOCOL_VERSION);
  view.setUint8(3, 0);
  view.setUint32(4, seq >>> 0, true);
  view.setBigUint64(8, BigInt(sampleOffset), true);
  view.setFloat64(16, captureTimeMs, true);
  for (let i = 0; i < samples.length; i += 1) {
    const clipped = Math.max(-1, Math.min(1, samples[i]));
    view.setInt16(HEADER_BYTES + 2 * i, Math.round(clipped * 32767), true);
  }
  return frame;
}

/**
 * @param {unknown} data a websocket message
 * @returns {ServerEvent | null} null for what this page does not understand
 */
export function parseEvent(data) {
  if (typeof data !== "string") return null;
  try {
    const event = JSON.parse(data);
    return typeof event?.type === "string" ? event : null;
  } catch {
    return null;
  }
}

/**
 * @param {Location} location of the page
 * @returns {{url: string, protocols: string[]}} what to give to `new WebSocket`
 */
export function streamAddress(location) {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const token = new URLSearchParams(location.search).get("token");
  const protocols = token ? [SUBPROTOCOL, `token.${token}`] : [SUBPROTOCOL];
  return { url: `${scheme}//${location.host}/v1/stream`, protocols };
}

/**
 * One session on one socket.
 *
 * Audio pushed before the server is ready, or faster than the network takes it, waits in a
 * bounded queue; when that overflows the oldest audio goes, `onDropped` says so, and the server
 * sees the gap in the sequence.
 */
export class StreamClient {
  /** @type {Chunk[]} */
  #queue = [];
  #seq = 0;
  #readyAtMs = 0;
  #sentMs = 0;
  #bufferMs = 0;
  #stopping = false;
  #stopSent = false;
  #saidBye = false;
  #timedOut = false;
  #deadline = 0;
  #retry = 0;

  /**
   * @param {{url: string, protocols: string[]}} address
   * @param {StartOptions} options
   * @param {Handlers} handlers
   */
  constructor(address, options, handlers) {
    this.sampleRate = options.sampleRate;
    this.handlers = handlers;
    this.socket = new WebSocket(address.url, address.protocols);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.socket.send(JSON.stringify(startMessage(options)));
    this.socket.onmessage = (message) => this.#receive(message.data);
    this.socket.onclose = (close) => this.#closed(close);
    this.#armDeadline(CONNECT_TIMEOUT_MS);
  }

  get ready() {
    return this.#readyAtMs > 0;
  }

  /** @param {Chunk} chunk the next audio; offsets must follow one another */
  push(chunk) {
    this.#queue.push(chunk);
    this.#limitQueue();
    this.#pump();
  }

  /** No more audio will come: sends what is queued, then asks the server for its finals. */
  stop() {
    this.#stopping = true;
    if (this.ready) this.#armDeadline(STOP_TIMEOUT_MS);
    this.#pump();
  }

  /** @param {unknown} data */
  #receive(data) {
    const event = parseEvent(data);
    if (event === null) return;
    if (event.type === "ready") {
      this.#readyAtMs = performance.now();
      this.#bufferMs = event.buffer_ms;
      clearTimeout(this.#deadline);
      if (this.#stopping) this.#armDeadline(STOP_TIMEOUT_MS);
    }
    if (event.type === "bye") this.#saidBye = true;
    this.handlers.onEvent(event);
    this.#pump();
  }

  #pump() {
    clearTimeout(this.#retry);
    if (!this.ready || this.socket.readyState !== WebSocket.OPEN) return;
    while (this.#queue.length > 0 && this.#maySend()) this.#sendNext();
    if (this.#queue.length > 0) {
      this.#retry = setTimeout(() => this.#pump(), RETRY_MS);
    } else if (this.#stopping && !this.#stopSent) {
      this.#stopSent = true;
      this.socket.send(JSON.stringify({ type: "stop" }));
    }
  }

  /** Audio kept while connecting must not overrun the server's buffer when it is sent at once. */
  #maySend() {
    const elapsedMs = performance.now() - this.#readyAtMs;
    const allowedMs = this.#bufferMs / 2 + 2 * elapsedMs;
    return this.#sentMs < allowedMs && this.socket.bufferedAmount < MAX_SOCKET_BACKLOG_BYTES;
  }

  #sendNext() {
    const chunk = /** @type {Chunk} */ (this.#queue.shift());
    this.socket.send(encodeFrame(this.#seq, chunk));
    this.#seq += 1;
    this.#sentMs += this.#durationMs(chunk);
  }

  #limitQueue() {
    let queuedMs = this.#queue.reduce((sum, chunk) => sum + this.#durationMs(chunk), 0);
    while (queuedMs > MAX_QUEUED_MS) {
      const droppedMs = this.#durationMs(/** @type {Chunk} */ (this.#queue.shift()));
      this.#seq += 1;
      queuedMs -= droppedMs;
      this.handlers.onDropped(droppedMs);
    }
  }

  /** @param {Chunk} chunk */
  #durationMs(chunk) {
    return (1000 * chunk.samples.length) / this.sampleRate;
  }

  /** @param {number} timeoutMs */
  #armDeadline(timeoutMs) {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => {
      this.#timedOut = true;
      // A socket that does not answer may also not confirm its close: do not wait for it.
      this.#closed({ code: 1006, reason: "" });
      this.socket.close();
    }, timeoutMs);
  }

  /** @param {{code: number, reason: string}} close */
  #closed({ code, reason }) {
    clearTimeout(this.#deadline);
    clearTimeout(this.#retry);
    this.socket.onclose = null;
    this.socket.onmessage = null;
    this.#queue = [];
    this.handlers.onClosed({
      code,
      reason,
      wasReady: this.ready,
      saidBye: this.#saidBye,
      timedOut: this.#timedOut,
    });
  }
}

/** @param {StartOptions} options */
function startMessage({ sampleRate, context, hotWords }) {
  return {
    type: "start",
    protocol_version: PROTOCOL_VERSION,
    sample_rate: sampleRate,
    encoding: "pcm_s16le",
    context,
    hot_words: hotWords,
    emotion: true,
  };
}
