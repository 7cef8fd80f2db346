// @ts-check
/**
 * Gathers audio into chunks and posts them with the audio clock's time of their first sample. Each
 * input is mono, and a side of its own; all have this one clock.
 *
 * Nothing is posted before the first real input, and from then on a missing input counts as
 * silence, so that sample offsets keep pace with time.
 */
class ChunkProcessor extends AudioWorkletProcessor {
  /** @param {{numberOfInputs: number, processorOptions: {chunkFrames: number}}} options */
  constructor(options) {
    super();
    this.chunkFrames = options.processorOptions.chunkFrames;
    this.sides = Array.from({ length: options.numberOfInputs }, () => new Float32Array(this.chunkFrames));
    this.filled = 0;
    this.started = false;
    this.done = false;
    this.port.onmessage = () => this.finish();
  }

  /**
   * @param {Float32Array[][]} inputs
   * @returns {boolean} whether to be called again
   */
  process(inputs) {
    const heard = inputs.map(([channel]) => channel);
    const length = heard.find((channel) => channel !== undefined)?.length;
    if (length !== undefined) this.started = true;
    if (this.started && !this.done) {
      this.append(heard.map((channel) => channel ?? new Float32Array(length ?? 128)));
    }
    return !this.done;
  }

  /** @param {Float32Array[]} blocks of each side one render quantum, starting at `currentTime` */
  append(blocks) {
    const { length } = blocks[0];
    let taken = 0;
    while (taken < length) {
      const count = Math.min(length - taken, this.chunkFrames - this.filled);
      blocks.forEach((block, side) => this.sides[side].set(block.subarray(taken, taken + count), this.filled));
      this.filled += count;
      taken += count;
      if (this.filled === this.chunkFrames) this.post(currentTime + taken / sampleRate);
    }
  }

  /** @param {number} endTimeS audio clock at the end of the chunk */
  post(endTimeS) {
    const sides = this.sides.map((side) => side.slice(0, this.filled));
    const startTimeS = endTimeS - this.filled / sampleRate;
    this.port.postMessage({ type: "chunk", sides, startTimeS }, sides.map((side) => side.buffer));
    this.filled = 0;
  }

  /** Posts what is left of the last chunk; the page then knows that it has everything. */
  finish() {
    if (this.filled > 0) this.post(currentTime);
    this.done = true;
    this.port.postMessage({ type: "finished" });
  }
}

registerProcessor("chunk-processor", ChunkProcessor);
