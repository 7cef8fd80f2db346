// @ts-check
/**
 * The native protocol, version 1, from the side of a browser or of Node: one session, over as many
 * connections as it takes. `client.d.ts` has the types and tells how to use it.
 */

import { resumeUrl } from "./address.js";
import { retryDelayMs } from "./backoff.js";
import { DirectWay } from "./direct.js";
import { parseEvent } from "./messages.js";
import { SendPace } from "./pace.js";
import { isChunk, samplesIn } from "./resend-buffer.js";
import { ResumableState } from "./resumable-state.js";

export { followAddress, streamAddress } from "./address.js";
export { retryDelayMs } from "./backoff.js";
export { FollowClient } from "./follow.js";
export { PROTOCOL_VERSION, encodeFrame, parseEvent } from "./messages.js";

/** @typedef {import("./client.js").Address} Address */
/** @typedef {import("./client.js").Chunk} Chunk */
/** @typedef {import("./client.js").SplitChunk} SplitChunk */
/** @typedef {import("./client.js").ClientState} ClientState */
/** @typedef {import("./client.js").Configuration} Configuration */
/** @typedef {import("./client.js").ReadyEvent} ReadyEvent */
/** @typedef {import("./client.js").Restart} Restart */
/** @typedef {import("./client.js").StartOptions} StartOptions */

const SESSION_RATE = 16_000;
const CONNECT_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 20_000;
/** The server tells its latency once a second while it hears; that long without is not usual. */
const STALLED_MS = 3_500;
const DEAD_MS = 15_000;
const WATCH_MS = 500;
const GIVE_UP_MS = 120_000;
const RETRY_MS = 25;

export class StreamClient extends EventTarget {
  /** @type {Address} */
  #address;
  /** @type {ResumableState} */
  #resumable;
  /** @type {ClientState} */
  #state = "connecting";
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {DirectWay} */
  #direct;

  // The connection.
  #isOpen = false;
  #frameSeq = 0;
  /** @type {SendPace} */
  #pace;
  /** When something was sent that nothing has been heard since; 0 if there is no such thing. */
  #unansweredAtMs = 0;
  #brokenAtMs = performance.now();
  #cutAtMs = 0;
  #attempt = 0;
  #retryAtMs = 0;

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
    this.#direct = new DirectWay(address);
    this.#resumable = new ResumableState(options);
    this.#pace = new SendPace(options.live === false);
    this.#watching = setInterval(() => this.#watch(), WATCH_MS);
    this.#connect();
  }

  get state() {
    return this.#state;
  }

  get brokenAtMs() {
    return this.#brokenAtMs;
  }

  get retryAtMs() {
    return this.#retryAtMs;
  }

  get sampleRate() {
    return this.#resumable.options.sampleRate;
  }

  /** @param {Chunk | SplitChunk} chunk */
  push(chunk) {
    if (this.#state === "closed") return;
    this.#resumable.addAudio(chunk);
    this.#pump();
  }

  /** @param {Configuration} configuration */
  configure(configuration) {
    this.#resumable.configure(configuration);
    this.#pump();
  }

  finalize() {
    this.#resumable.addCommand("finalize");
    this.#pump();
  }

  stop() {
    if (this.#resumable.stopped || this.#state === "closed") return;
    this.#resumable.addCommand("stop");
    if (this.#resumable.wasReady) this.#armStopDeadline();
    this.#pump();
  }

  close() {
    this.#socket?.close(1000);
    this.#drop();
    this.#close(1000, "", false);
  }

  #connect() {
    this.#retryAtMs = 0;
    const { url, protocols } = this.#address;
    const { sessionId } = this.#resumable;
    const socket = new WebSocket(sessionId === null ? url : resumeUrl(url, sessionId), protocols);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#greet(socket);
    this.#use(socket);
  }

  /** @param {WebSocket} socket */
  #greet(socket) {
    socket.send(JSON.stringify(this.#resumable.handshake()));
  }

  /** @param {WebSocket} socket */
  #use(socket) {
    socket.onmessage = (message) => this.#receive(message.data);
    socket.onclose = ({ code, reason }) => this.#cut(code, reason, false);
    this.#socket = socket;
    this.#deadline = setTimeout(() => this.#cut(1006, "", true), CONNECT_TIMEOUT_MS);
  }

  /** @param {WebSocket} socket to the server itself, on which the session goes on */
  #goOn(socket) {
    const { refusal, saidBye } = this.#resumable;
    if (!this.#isOpen || this.#socket === null || refusal !== null || saidBye) {
      socket.close();
      return;
    }
    clearTimeout(this.#pumping);
    this.#isOpen = false;
    this.#direct.leave(this.#socket);
    this.#use(socket);
    this.#greet(socket);
  }

  /** @param {unknown} data */
  #receive(data) {
    const event = parseEvent(data);
    if (event === null) return;
    this.#unansweredAtMs = 0;
    if (this.#state === "stalled") this.#setLive();
    if (event.type === "ready") {
      this.#begin(event);
      return;
    }
    if (this.#resumable.onEvent(event)) this.#dispatch("event", event);
    this.#pump();
  }

  /** @param {ReadyEvent} ready */
  #begin(ready) {
    clearTimeout(this.#deadline);
    if (this.#resumable.stopped && !this.#resumable.wasReady) this.#armStopDeadline();
    const restart = this.#resumable.onReady(ready);
    if (restart !== null) this.#tellRestart(restart);
    this.#isOpen = true;
    this.#frameSeq = 0;
    this.#pace.begin(ready.buffer_ms);
    this.#cutAtMs = 0;
    const isDirect = this.#direct.arrive();
    // Nothing has changed for the user.
    if (!isDirect || !ready.resumed) this.#dispatch("event", ready);
    this.#setLive();
    this.#pump();
    if (!isDirect && ready.direct_url && this.#resumable.mayResume) {
      this.#direct.open(ready.direct_url, (socket) => this.#goOn(socket));
    }
  }

  /** @param {Restart} restart */
  #tellRestart(restart) {
    this.#dispatch("restart", restart);
    restart.lostMsByChannel.forEach((lostMs, channel) => {
      if (lostMs === 0) return;
      const start_ms = restart.startMs - lostMs;
      const lost_samples = Math.round((lostMs * SESSION_RATE) / 1000);
      this.#dispatch("event", { type: "loss", channel, start_ms, lost_samples, reason: "gap" });
    });
  }

  #pump() {
    clearTimeout(this.#pumping);
    const socket = this.#socket;
    if (!this.#isOpen || socket === null || socket.readyState !== socket.OPEN) return;
    const { buffer } = this.#resumable;
    while (!buffer.isAllSent && this.#pace.maySend(socket)) this.#sendNext(socket);
    if (!buffer.isAllSent) this.#pumping = setTimeout(() => this.#pump(), RETRY_MS);
  }

  /** @param {WebSocket} socket */
  #sendNext(socket) {
    const item = this.#resumable.buffer.take();
    if (item === undefined) return;
    this.#unansweredAtMs ||= performance.now();
    if (!isChunk(item)) {
      socket.send(JSON.stringify(item.message));
      return;
    }
    socket.send(this.#resumable.frame(this.#frameSeq, item));
    this.#frameSeq += 1;
    this.#pace.sent(this.#resumable.durationMs(samplesIn(item)));
  }

  /** A server that says nothing while audio is on its way is gone, whatever the socket says. */
  #watch() {
    if (!this.#isOpen || this.#unansweredAtMs === 0) return;
    const silentMs = performance.now() - this.#unansweredAtMs;
    const { mayResume, buffer } = this.#resumable;
    if (silentMs > DEAD_MS && mayResume && !buffer.isAllAcknowledged) {
      this.#cut(1006, "", false);
    } else if (silentMs > STALLED_MS) {
      this.#brokenAtMs = this.#unansweredAtMs;
      this.#setState("stalled");
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
    this.#brokenAtMs ||= this.#unansweredAtMs || nowMs;
    this.#unansweredAtMs = 0;
    if (this.#cutAtMs === 0) {
      this.#cutAtMs = nowMs;
      this.#attempt = 0;
    }
    const { refusal, saidBye, mayResume, canContinue } = this.#resumable;
    const ended = refusal !== null || saidBye;
    const tooLate = nowMs - this.#cutAtMs > GIVE_UP_MS;
    const mayReturn = ended ? canContinue : mayResume;
    if (tooLate || !mayReturn) {
      this.#close(code, reason, timedOut);
      return;
    }
    const isFull = refusal?.code === "too_many_sessions";
    this.#resumable.onDisconnect();
    const delayMs = retryDelayMs(this.#attempt);
    this.#retryAtMs = nowMs + delayMs;
    this.#setState(isFull ? "full" : "reconnecting");
    this.#retrying = setTimeout(this.#retry, delayMs);
    // Node has no such event.
    globalThis.addEventListener?.("online", this.#retry);
    this.#attempt += 1;
  }

  #retry = () => {
    clearTimeout(this.#retrying);
    globalThis.removeEventListener?.("online", this.#retry);
    this.#connect();
  };

  /** Forget the socket; one that does not answer may not confirm its close either. */
  #drop() {
    const socket = this.#socket;
    this.#direct.giveUp();
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
    globalThis.removeEventListener?.("online", this.#retry);
    this.#setState("closed");
    const { wasReady, saidBye } = this.#resumable;
    this.#dispatch("closed", { code, reason, wasReady, saidBye, timedOut });
  }

  #setLive() {
    this.#brokenAtMs = 0;
    this.#setState("live");
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
