// @ts-check
/** Follows somebody's session, read-only, for as long as the page is open. */

import { retryDelayMs } from "./backoff.js";
import { parseEvent } from "./messages.js";

/** @typedef {import("./client.js").Address} Address */

/** The server says something every ten seconds at least. */
const SILENCE_MS = 25_000;

/**
 * Gives the server's events as `event`, each connection's beginning with `following` and a
 * snapshot; and `cut` where a connection ends that the server did not end. Connects again whenever
 * it must: the speaker may pause for hours.
 */
export class FollowClient extends EventTarget {
  /** @type {WebSocket | null} */
  #socket = null;
  #attempt = 0;
  #timer = 0;
  #toldTheEnd = false;

  /** @param {Address} address of `followAddress` */
  constructor(address) {
    super();
    this.address = address;
    this.#connect();
  }

  close() {
    clearTimeout(this.#timer);
    this.#drop();
  }

  #connect() {
    const socket = new WebSocket(this.address.url, this.address.protocols);
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = () => this.#again();
    this.#socket = socket;
    this.#toldTheEnd = false;
    this.#expect();
  }

  /** @param {unknown} data */
  #receive(data) {
    this.#expect();
    const event = parseEvent(data);
    if (event === null) return;
    if (event.type === "following") this.#attempt = 0;
    this.#toldTheEnd ||= event.type === "bye" || (event.type === "error" && event.fatal);
    this.dispatchEvent(new CustomEvent("event", { detail: event }));
  }

  /** A connection on which nothing more is heard is dead. */
  #expect() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#again(), SILENCE_MS);
  }

  #again() {
    clearTimeout(this.#timer);
    this.#drop();
    if (!this.#toldTheEnd) this.dispatchEvent(new Event("cut"));
    this.#timer = setTimeout(() => this.#connect(), retryDelayMs(this.#attempt));
    this.#attempt += 1;
  }

  #drop() {
    if (this.#socket === null) return;
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
  }
}
