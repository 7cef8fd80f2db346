// @ts-check
/**
 * The native protocol, version 1, from the browser's side: one session, over as many connections
 * as it takes. `client.d.ts` has the types and tells how to use it.
 */

import { KeptAudio, isChunk } from "./kept-audio.js";

/** @typedef {import("./client.js").Address} Address */
/** @typedef {import("./client.js").Chunk} Chunk */
/** @typedef {import("./client.js").ClientState} ClientState */
/** @typedef {import("./client.js").ErrorEvent} FatalError */
/** @typedef {import("./client.js").ReadyEvent} ReadyEvent */
/** @typedef {import("./client.js").ServerEvent} ServerEvent */
/** @typedef {import("./client.js").StartOptions} StartOptions */

export const PROTOCOL_VERSION = 1;
const SUBPROTOCOL = "streamer.v1";
const HEADER_BYTES = 24;
const SESSION_RATE = 16_000;
const CONNECT_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 20_000;
const STALL_MS = 15_000;
const GIVE_UP_MS = 120_000;
const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 5_000;
const KEPT_S = 120;
const MAX_CONTEXT = 4_000;
const MAX_SOCKET_BACKLOG_BYTES = 256 * 1024;
const RETRY_MS = 25;

/** Errors on the way back to the server after which a new session can go on. */
const SURVIVABLE = ["session_expired", "shutting_down", "too_many_sessions"];

/**
 * @param {number} seq
 * @param {Chunk} chunk
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
 * @param {unknown} data
 * @returns {ServerEvent | null}
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

/** @param {Location} location */
export function streamAddress(location) {
  // An unencoded plus sign, which base64 has, would be read as a space.
  const query = location.search.replaceAll("+", "%2B");
  const token = new URLSearchParams(query).get("token");
  const protocols = token ? [SUBPROTOCOL, `token64.${base64url(token)}`] : [SUBPROTOCOL];
  return { url: `${websocketOrigin(location)}/v1/stream`, protocols };
}

/**
 * Subprotocols may hold few characters; tokens may hold any.
 *
 * @param {string} text
 */
function base64url(text) {
  const encoded = btoa(String.fromCharCode(...new TextEncoder().encode(text)));
  return encoded.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * @param {Location} location
 * @param {string} followId
 */
export function followAddress(location, followId) {
  const query = new URLSearchParams({ session: followId });
  return { url: `${websocketOrigin(location)}/v1/follow?${query}`, protocols: [SUBPROTOCOL] };
}

/** @param {Location} location */
function websocketOrigin(location) {
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}`;
}

/**
 * Random, between half of the nominal delay and all of it: clients that were cut together must
 * not come back together. The first is shorter still, as most cuts are short.
 *
 * @param {number} attempt
 */
export function retryDelayMs(attempt) {
  if (attempt === 0) return Math.random() * FIRST_DELAY_MS;
  return Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt) * (0.5 + 0.5 * Math.random());
}

export class StreamClient extends EventTarget {
  /** @type {Address} */
  #address;
  /** @type {StartOptions} */
  #options;
  /** @type {KeptAudio} */
  #kept;
  /** @type {ClientState} */
  #state = "connecting";
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {ReadyEvent | null} of the session that can be resumed */
  #session = null;
  /** @type {FatalError | null} */
  #refusal = null;
  #wasReady = false;
  #mayResume = false;
  #isOpen = false;
  #stopping = false;
  #saidBye = false;

  // The connection.
  #frameSeq = 0;
  #readyAtMs = 0;
  #heardAtMs = 0;
  #sentMs = 0;
  #bufferMs = 0;
  #cutAtMs = 0;
  #attempt = 0;

  // The session, and its place in all that was pushed.
  #lastSeq = 0;
  #endOffset = 0;
  #baseOffset = 0;
  #settledMs = 0;
  #text = "";
  #nextWordId = 0;
  #nextSegmentId = 0;
  #base = { ms: 0, words: 0, segments: 0 };

  #deadline = 0;
  #pumping = 0;
  #retrying = 0;
  #watching = 0;
  #stopDeadline = 0;

  /**
   * @param {Address} address
   * @param {StartOptions} options
   */
  constructor(address, options) {
    super();
    this.#address = address;
    this.#options = options;
    this.sampleRate = options.sampleRate;
    this.#kept = new KeptAudio(KEPT_S * options.sampleRate);
    this.#watching = setInterval(() => this.#watch(), 1000);
    this.#connect();
  }

  get state() {
    return this.#state;
  }

  /** @param {Chunk} chunk */
  push(chunk) {
    if (this.#state === "closed") return;
    this.#kept.add(chunk);
    this.#endOffset = chunk.sampleOffset + chunk.samples.length;
    this.#pump();
  }

  finalize() {
    this.#kept.add({ endOffset: this.#endOffset, message: { type: "finalize" } });
    this.#pump();
  }

  stop() {
    if (this.#stopping || this.#state === "closed") return;
    this.#stopping = true;
    this.#kept.add({ endOffset: this.#endOffset, message: { type: "stop" } });
    if (this.#wasReady) this.#armStopDeadline();
    this.#pump();
  }

  #connect() {
    const socket = new WebSocket(this.#address.url, this.#address.protocols);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => socket.send(JSON.stringify(this.#opening()));
    socket.onmessage = (message) => this.#receive(message.data);
    socket.onclose = ({ code, reason }) => this.#cut(code, reason, false);
    this.#socket = socket;
    this.#deadline = setTimeout(() => this.#cut(1006, "", true), CONNECT_TIMEOUT_MS);
  }

  #opening() {
    if (this.#session !== null) {
      const { session_id, resume_token } = this.#session;
      return { type: "resume", session_id, resume_token, last_seq: this.#lastSeq };
    }
    const { sampleRate, context = "", hotWords, decoder, emotion, live, silenceMs, shareSecret } =
      this.#options;
    // JSON leaves out what is undefined, and the server then does as usual.
    return {
      type: "start",
      protocol_version: PROTOCOL_VERSION,
      sample_rate: sampleRate,
      encoding: "pcm_s16le",
      context: `${context} ${this.#text}`.trim().slice(-MAX_CONTEXT),
      hot_words: hotWords,
      decoder,
      emotion,
      live,
      silence_ms: silenceMs,
      share_secret: shareSecret,
    };
  }

  /** @param {unknown} data */
  #receive(data) {
    const event = parseEvent(data);
    if (event === null) return;
    this.#heardAtMs = performance.now();
    if (event.type === "ready") {
      this.#begin(event);
      return;
    }
    const seq = "seq" in event ? (event.seq ?? 0) : 0;
    if (seq > 0 && seq <= this.#lastSeq) return;
    this.#lastSeq = Math.max(this.#lastSeq, seq);
    this.#place(event);
    if (event.type === "words" || event.type === "segment") this.#settle(event);
    if (event.type === "latency" && typeof event.acknowledged_offset === "number") {
      this.#kept.acknowledge(this.#baseOffset + event.acknowledged_offset);
    }
    if (event.type === "error" && event.fatal) this.#refusal = event;
    if (event.type === "bye") this.#saidBye = true;
    if (!this.#survives()) this.#dispatch("event", event);
    this.#pump();
  }

  /** @param {ReadyEvent} ready */
  #begin(ready) {
    clearTimeout(this.#deadline);
    if (ready.resumed) {
      const offset = this.#baseOffset + (ready.acknowledged_offset ?? 0);
      this.#kept.acknowledge(offset);
      this.#kept.rewind(offset);
    } else if (this.#wasReady) {
      this.#beginAnew();
    }
    this.#mayResume = typeof ready.resume_token === "string";
    this.#session = this.#mayResume ? ready : null;
    this.#isOpen = true;
    this.#frameSeq = 0;
    this.#sentMs = 0;
    this.#readyAtMs = performance.now();
    this.#bufferMs = ready.buffer_ms;
    this.#cutAtMs = 0;
    if (this.#stopping && !this.#wasReady) this.#armStopDeadline();
    this.#wasReady = true;
    this.#dispatch("event", ready);
    this.#setState("live");
    this.#pump();
  }

  /** A new session gets the audio behind the last committed word. */
  #beginAnew() {
    const settled = Math.round((this.#settledMs * this.sampleRate) / 1000);
    this.#kept.rewind(settled);
    this.#baseOffset = this.#kept.nextOffset ?? this.#endOffset;
    const startMs = this.#ms(this.#baseOffset);
    const lostMs = Math.max(0, this.#ms(this.#baseOffset - settled));
    this.#base = { ms: startMs, words: this.#nextWordId, segments: this.#nextSegmentId };
    this.#dispatch("restart", { startMs, lostMs });
    if (lostMs > 0) {
      const lost_samples = Math.round((lostMs * SESSION_RATE) / 1000);
      this.#dispatch("event", { type: "loss", start_ms: startMs - lostMs, lost_samples, reason: "gap" });
    }
  }

  #pump() {
    clearTimeout(this.#pumping);
    const socket = this.#socket;
    if (!this.#isOpen || socket === null || socket.readyState !== WebSocket.OPEN) return;
    while (!this.#kept.isAllSent && this.#maySend(socket)) this.#sendNext(socket);
    if (!this.#kept.isAllSent) this.#pumping = setTimeout(() => this.#pump(), RETRY_MS);
  }

  /**
   * Audio kept while connecting must not overrun the server's buffer when it is sent at once.
   *
   * @param {WebSocket} socket
   */
  #maySend(socket) {
    const elapsedMs = performance.now() - this.#readyAtMs;
    const allowedMs = this.#bufferMs / 2 + 2 * elapsedMs;
    return this.#sentMs < allowedMs && socket.bufferedAmount < MAX_SOCKET_BACKLOG_BYTES;
  }

  /** @param {WebSocket} socket */
  #sendNext(socket) {
    const item = this.#kept.take();
    if (item === undefined) return;
    if (!isChunk(item)) {
      socket.send(JSON.stringify(item.message));
      return;
    }
    const sampleOffset = item.sampleOffset - this.#baseOffset;
    socket.send(encodeFrame(this.#frameSeq, { ...item, sampleOffset }));
    this.#frameSeq += 1;
    this.#sentMs += this.#ms(item.samples.length);
  }

  /** A server that says nothing while audio is on its way is gone, whatever the socket says. */
  #watch() {
    const silentMs = performance.now() - this.#heardAtMs;
    if (this.#isOpen && this.#mayResume && silentMs > STALL_MS && !this.#kept.isAllAcknowledged) {
      this.#cut(1006, "", false);
    }
  }

  /**
   * The connection is over: go back, or end.
   *
   * @param {number} code
   * @param {string} reason
   * @param {boolean} timedOut
   */
  #cut(code, reason, timedOut) {
    clearTimeout(this.#deadline);
    clearTimeout(this.#pumping);
    this.#drop();
    const nowMs = performance.now();
    const survives = this.#survives();
    if (this.#cutAtMs === 0) {
      this.#cutAtMs = nowMs;
      this.#attempt = 0;
    }
    const ended = this.#refusal !== null || this.#saidBye;
    const tooLate = nowMs - this.#cutAtMs > GIVE_UP_MS;
    if (!this.#mayResume || tooLate || (ended && !survives)) {
      this.#close(code, reason, timedOut);
      return;
    }
    if (this.#refusal !== null && this.#refusal.code !== "too_many_sessions") {
      this.#session = null;
      this.#lastSeq = 0;
    }
    this.#refusal = null;
    this.#saidBye = false;
    this.#setState("reconnecting");
    this.#retrying = setTimeout(this.#retry, retryDelayMs(this.#attempt));
    window.addEventListener("online", this.#retry);
    this.#attempt += 1;
  }

  #retry = () => {
    clearTimeout(this.#retrying);
    window.removeEventListener("online", this.#retry);
    this.#connect();
  };

  /** Whether a new session, now or later, can go on where this one ended. */
  #survives() {
    if (this.#refusal === null || !this.#mayResume) return false;
    if (!SURVIVABLE.includes(this.#refusal.code)) return false;
    // A server that ends has still captioned all that it had.
    return !(this.#refusal.code === "shutting_down" && this.#stopping && this.#kept.isAllAcknowledged);
  }

  /** Forget the socket; one that does not answer may not confirm its close either. */
  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#isOpen = false;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #armStopDeadline() {
    this.#stopDeadline = setTimeout(() => {
      this.#drop();
      this.#close(1006, "", true);
    }, STOP_TIMEOUT_MS);
  }

  /**
   * @param {number} code
   * @param {string} reason
   * @param {boolean} timedOut
   */
  #close(code, reason, timedOut) {
    if (this.#state === "closed") return;
    clearInterval(this.#watching);
    for (const timer of [this.#deadline, this.#pumping, this.#retrying, this.#stopDeadline]) {
      clearTimeout(timer);
    }
    window.removeEventListener("online", this.#retry);
    this.#setState("closed");
    const [wasReady, saidBye] = [this.#wasReady, this.#saidBye];
    this.#dispatch("closed", { code, reason, wasReady, saidBye, timedOut });
  }

  /**
   * Continues the ids and times of the sessions before.
   *
   * @param {ServerEvent} event
   */
  #place(event) {
    const { ms, words, segments } = this.#base;
    if ("start_ms" in event) event.start_ms += ms;
    if ("end_ms" in event) event.end_ms += ms;
    if ("segment_id" in event) event.segment_id += segments;
    if ("received_ms" in event) event.received_ms += ms;
    if ("processed_ms" in event) event.processed_ms += ms;
    if (event.type === "words" || event.type === "segment") {
      for (const word of event.words) {
        word.id += words;
        word.start_ms += ms;
        word.end_ms += ms;
      }
    }
  }

  /** @param {import("./client.js").WordsEvent | import("./client.js").SegmentEvent} event */
  #settle(event) {
    for (const word of event.words) {
      if (word.state === "tentative" || word.id < this.#nextWordId) continue;
      this.#nextWordId = word.id + 1;
      this.#nextSegmentId = event.segment_id + 1;
      this.#settledMs = Math.max(this.#settledMs, word.end_ms);
      this.#text = `${this.#text} ${word.text}`.slice(-MAX_CONTEXT);
    }
    if (event.type === "segment") this.#settledMs = Math.max(this.#settledMs, event.end_ms);
    this.#kept.settle(Math.round((this.#settledMs * this.sampleRate) / 1000));
  }

  /** @param {number} samples */
  #ms(samples) {
    return (1000 * samples) / this.sampleRate;
  }

  /** @param {ClientState} state */
  #setState(state) {
    if (this.#state === state) return;
    this.#state = state;
    this.#dispatch("state", state);
  }

  /**
   * @param {string} type
   * @param {unknown} detail
   */
  #dispatch(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
