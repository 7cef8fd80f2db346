// @ts-check
/**
 * Gathers mono audio into chunks and posts them with the audio clock's time of their first sample.
 *
 * Nothing is posted before the first real input, and from then on a missing input counts as
 * silence, so that sample offsets keep pace with time.
 */
class ChunkProcessor extends AudioWorkletProcessor {
  /** @param {{processorOptions: {chunkFrames: number}}} options */
  constructor(options) {
    super();
    this.chunkFrames = options.processorOptions.chunkFrames;
    this.chunk = new Float32Array(this.chunkFrames);
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
    const channel = inputs[0][0];
    if (channel !== undefined) this.started = true;
    if (this.started && !this.done) this.append(channel ?? new Float32Array(128));
    return !this.done;
  }

  /** @param {Float32Array} block one render quantum, starting at `currentTime` */
  append(block) {
    let taken = 0;
    while (taken < block.length) {
      const count = Math.min(block.length - taken, this.chunkFrames - this.filled);
      this.chunk.set(block.subarray(taken, taken + count), this.filled);
      this.filled += count;
      taken += count;
      if (this.filled === this.chunkFrames) this.post(currentTime + taken / sampleRate);
    }
  }

  /** @param {number} endTimeS audio clock at the end of the chunk */
  post(endTimeS) {
    const samples = this.chunk.slice(0, this.filled);
    const startTimeS = endTimeS - this.filled / sampleRate;
    this.port.postMessage({ type: "chunk", samples, startTimeS }, [samples.buffer]);
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
