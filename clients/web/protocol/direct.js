// @ts-check
/** The way to the server itself, around what stands before several, where it can be had. */

/** @typedef {import("./client.js").Address} Address */

const TIMEOUT_MS = 5_000;

export class DirectWay {
  /** @type {Address} */
  #address;
  /** @type {Set<string>} */
  #inVain = new Set();
  /** @type {WebSocket | null} on its way */
  #socket = null;
  #url = "";
  /** @type {WebSocket | null} what has the session until the direct way has it */
  #before = null;
  #deadline = 0;

  /** @param {Address} address of what stands before the servers */
  constructor(address) {
    this.#address = address;
  }

  /**
   * Nothing comes of it if there is no way, or a less safe one: token and sound must not leave
   * TLS. An address is not tried again until it worked.
   *
   * @param {string} url
   * @param {(socket: WebSocket) => void} onOpen
   */
  open(url, onOpen) {
    const isLessSafe = this.#address.url.startsWith("wss:") && !url.startsWith("wss:");
    if (isLessSafe || this.#inVain.has(url)) return;
    this.giveUp();
    this.#inVain.add(url);
    this.#url = url;
    const socket = new WebSocket(url, this.#address.protocols);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      clearTimeout(this.#deadline);
      this.#socket = socket.onopen = null;
      onOpen(socket);
    };
    this.#socket = socket;
    this.#deadline = setTimeout(() => this.giveUp(), TIMEOUT_MS);
  }

  /** @param {WebSocket} before keeps the session until it is resumed over the direct one */
  leave(before) {
    before.onmessage = before.onclose = null;
    this.#before = before;
  }

  /** A connection is ready; gives whether it is a direct one. */
  arrive() {
    if (this.#before === null) return false;
    this.#inVain.delete(this.#url);
    this.giveUp();
    return true;
  }

  /** Closes what is left over, without a code, which would end the session. */
  giveUp() {
    clearTimeout(this.#deadline);
    if (this.#socket !== null) this.#socket.onopen = null;
    this.#socket?.close();
    this.#before?.close();
    this.#socket = this.#before = null;
  }
}
