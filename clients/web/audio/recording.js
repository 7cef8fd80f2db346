// @ts-check
/** The sound that the page has heard, kept in memory to be saved as WAV. */

/** At 48 kHz a minute takes 5.8 MB. */
export const RECORDED_MINUTES = 20;
const WAV_HEADER_BYTES = 44;
const BYTES_PER_SAMPLE = 2;

/** @typedef {{startMs: number, sampleRate: number, parts: Int16Array<ArrayBuffer>[]}} Sound */

/**
 * The newest `RECORDED_MINUTES` of all sessions of the page, one behind the other, on the time
 * line of its captions; what is older goes. A WAV file knows one sample rate: where that changes,
 * the recording begins anew.
 */
export class Recording {
  /** @type {Sound} */
  #sound = { startMs: 0, sampleRate: 1, parts: [] };
  #samples = 0;

  get isEmpty() {
    return this.#samples === 0;
  }

  /** When the kept sound begins, on the time line of the captions. */
  get startMs() {
    return this.#sound.startMs;
  }

  get #endMs() {
    return this.#sound.startMs + (1000 * this.#samples) / this.#sound.sampleRate;
  }

  /**
   * @param {Float32Array} samples that follow those added before
   * @param {number} sampleRate
   */
  add(samples, sampleRate) {
    if (sampleRate !== this.#sound.sampleRate) {
      this.#sound = { startMs: this.#endMs, sampleRate, parts: [] };
      this.#samples = 0;
    }
    this.#sound.parts.push(pcm16(samples));
    this.#samples += samples.length;
    this.#trim();
  }

  /** @returns {Sound} what was kept, and is so no more */
  clear() {
    const cleared = this.#sound;
    this.#sound = { startMs: this.#endMs, sampleRate: cleared.sampleRate, parts: [] };
    this.#samples = 0;
    return cleared;
  }

  /** @param {Sound} cleared what `clear` returned */
  restore(cleared) {
    if (cleared.sampleRate !== this.#sound.sampleRate) return;
    this.#sound = { ...cleared, parts: [...cleared.parts, ...this.#sound.parts] };
    this.#samples = this.#sound.parts.reduce((sum, part) => sum + part.length, 0);
    this.#trim();
  }

  /**
   * @param {{startMs: number, endMs: number}[]} spans on the time line of the captions
   * @returns {Blob} what is kept of them, as a WAV file
   */
  cut(spans) {
    const { startMs, sampleRate, parts } = this.#sound;
    const samplesAt = (/** @type {number} */ ms) => Math.round(((ms - startMs) * sampleRate) / 1000);
    const cut = spans.flatMap((span) => {
      let at = 0;
      return parts.map((part) => {
        const [from, to] = [samplesAt(span.startMs) - at, samplesAt(span.endMs) - at];
        at += part.length;
        return part.subarray(Math.max(0, from), Math.max(0, to));
      });
    });
    return toWav({ startMs, sampleRate, parts: cut.filter(({ length }) => length > 0) });
  }

  /** @returns {Blob} a WAV file, 16 bit, mono */
  toWav() {
    return toWav(this.#sound);
  }

  /**
   * Nothing is kept yet; what comes follows captions that were there before.
   *
   * @param {number} startMs on the time line of the captions
   */
  startAt(startMs) {
    this.#sound.startMs = startMs;
  }

  #trim() {
    const { sampleRate, parts } = this.#sound;
    while (this.#samples > RECORDED_MINUTES * 60 * sampleRate) {
      const oldest = parts.shift()?.length ?? 0;
      this.#samples -= oldest;
      this.#sound.startMs += (1000 * oldest) / sampleRate;
    }
  }
}

/**
 * @param {Sound} sound
 * @returns {Blob} a WAV file, 16 bit, mono
 */
export function toWav({ sampleRate, parts }) {
  const dataBytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
  return new Blob([wavHeader(sampleRate, dataBytes), ...parts], { type: "audio/wav" });
}

/** @param {Float32Array} samples */
export function pcm16(samples) {
  return Int16Array.from(samples, (sample) => Math.round(32767 * Math.max(-1, Math.min(1, sample))));
}

/**
 * @param {number} sampleRate
 * @param {number} dataBytes
 */
function wavHeader(sampleRate, dataBytes) {
  const view = new DataView(new ArrayBuffer(WAV_HEADER_BYTES));
  const text = (/** @type {number} */ at, /** @type {string} */ tag) => {
    for (let i = 0; i < tag.length; i += 1) view.setUint8(at + i, tag.charCodeAt(i));
  };
  text(0, "RIFF");
  view.setUint32(4, WAV_HEADER_BYTES - 8 + dataBytes, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // length of the format
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, BYTES_PER_SAMPLE * sampleRate, true);
  view.setUint16(32, BYTES_PER_SAMPLE, true);
  view.setUint16(34, 8 * BYTES_PER_SAMPLE, true);
  text(36, "data");
  view.setUint32(40, dataBytes, true);
  return view.buffer;
}
