// @ts-check
/** What may have to be said again after a cut: audio, and commands between it. */

/**
 * Samples of all channels, interleaved; offsets count those of one.
 *
 * @typedef {{sampleOffset: number, captureTimeMs: number, samples: Float32Array,
 *   channels: number}} Chunk
 */
/** @typedef {{endOffset: number, message: {type: "configure" | "finalize" | "stop"}}} Command */
/** @typedef {Chunk | Command} Item */

/**
 * Audio on its way, oldest first: sent items, then unsent ones. Sent audio is kept until the
 * server has it and its words are committed. If all that exceeds `limit` samples of each channel, the
 * oldest goes.
 */
export class ResendBuffer {
  /** @type {Item[]} */
  #sent = [];
  /** @type {Item[]} */
  #unsent = [];
  #bufferedSamples = 0;
  #acknowledged = 0;
  #released = 0;

  /** @param {number} limit samples of each channel */
  constructor(limit) {
    this.limit = limit;
  }

  get isAllSent() {
    return this.#unsent.length === 0;
  }

  /** Whether the server has confirmed all audio. */
  get isAllAcknowledged() {
    const newest = [...this.#sent, ...this.#unsent].findLast(isChunk);
    return newest === undefined || endOf(newest) <= this.#acknowledged;
  }

  /** @returns {number | undefined} offset of the audio to be sent next */
  get nextOffset() {
    return this.#unsent.find(isChunk)?.sampleOffset;
  }

  /** @param {Item} item */
  add(item) {
    this.#unsent.push(item);
    this.#bufferedSamples += samplesIn(item);
    this.#trim();
  }

  /** @returns {Item | undefined} the next item, which counts as sent now */
  take() {
    const item = this.#unsent.shift();
    if (item !== undefined) this.#sent.push(item);
    return item;
  }

  /** @param {number} offset the server has all audio before */
  acknowledge(offset) {
    this.#acknowledged = Math.max(this.#acknowledged, offset);
    this.#trim();
  }

  /** @param {number} offset the words before are committed: their audio is not needed again */
  release(offset) {
    this.#released = Math.max(this.#released, offset);
    this.#trim();
  }

  /** @param {number} offset send again from here, or from the oldest audio that is kept */
  rewind(offset) {
    const all = [...this.#sent, ...this.#unsent];
    this.#sent = [];
    this.#unsent = [];
    for (const item of all) {
      if (!isChunk(item)) {
        (item.endOffset < offset ? this.#sent : this.#unsent).push(item);
      } else if (endOf(item) <= offset) {
        this.#sent.push(item);
      } else if (item.sampleOffset >= offset) {
        this.#unsent.push(item);
      } else {
        const done = (offset - item.sampleOffset) * item.channels;
        this.#sent.push({ ...item, samples: item.samples.subarray(0, done) });
        // The stamp belongs to the first sample; unknown is truer than wrong.
        const samples = item.samples.subarray(done);
        this.#unsent.push({ ...item, sampleOffset: offset, captureTimeMs: 0, samples });
      }
    }
  }

  /**
   * What is still to be sent of a channel before an offset becomes silence.
   *
   * @param {number} channel
   * @param {number} offset
   */
  mute(channel, offset) {
    this.#unsent = this.#unsent.map((item) => {
      if (!isChunk(item) || item.sampleOffset >= offset) return item;
      const samples = item.samples.slice();
      const end = Math.min(samples.length, (offset - item.sampleOffset) * item.channels);
      for (let at = channel; at < end; at += item.channels) samples[at] = 0;
      return { ...item, samples };
    });
  }

  #trim() {
    const done = Math.min(this.#acknowledged, this.#released);
    while (this.#sent.length > 0) {
      const oldest = this.#sent[0];
      const needed = isChunk(oldest) ? endOf(oldest) > done : oldest.endOffset >= done;
      if (needed && this.#bufferedSamples <= this.limit) return;
      this.#bufferedSamples -= samplesIn(oldest);
      this.#sent.shift();
    }
    while (this.#bufferedSamples > this.limit && this.#unsent.length > 0) {
      this.#bufferedSamples -= samplesIn(/** @type {Item} */ (this.#unsent.shift()));
    }
  }
}

/**
 * @param {Item} item
 * @returns {item is Chunk}
 */
export function isChunk(item) {
  return "samples" in item;
}

/** @param {Chunk} chunk */
function endOf(chunk) {
  return chunk.sampleOffset + samplesIn(chunk);
}

/**
 * @param {Item} item
 * @returns {number} those of one channel
 */
export function samplesIn(item) {
  return isChunk(item) ? item.samples.length / item.channels : 0;
}
