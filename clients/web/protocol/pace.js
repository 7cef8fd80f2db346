// @ts-check

const MAX_SOCKET_BACKLOG_BYTES = 256 * 1024;

/**
 * How fast what was kept may be sent: audio kept while connecting must not overrun the server's
 * buffer when it is sent at once. Of a recording the server takes as much as it can hear.
 */
export class SendPace {
  #isRecording;
  #bufferMs = 0;
  #sinceMs = 0;
  #sentMs = 0;

  /** @param {boolean} isRecording */
  constructor(isRecording) {
    this.#isRecording = isRecording;
  }

  /** @param {number} bufferMs what the server holds, on a new connection */
  begin(bufferMs) {
    this.#bufferMs = bufferMs;
    this.#sinceMs = performance.now();
    this.#sentMs = 0;
  }

  /** @param {WebSocket} socket */
  maySend(socket) {
    const elapsedMs = performance.now() - this.#sinceMs;
    const allowedMs = this.#isRecording ? Infinity : this.#bufferMs / 2 + 2 * elapsedMs;
    return this.#sentMs < allowedMs && socket.bufferedAmount < MAX_SOCKET_BACKLOG_BYTES;
  }

  /** @param {number} ms */
  sent(ms) {
    this.#sentMs += ms;
  }
}
