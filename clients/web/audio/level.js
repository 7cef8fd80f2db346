// @ts-check
/** How loud it is, and a hint if there is no sound at all. */

const SILENT_PEAK = 1e-4;
const SILENCE_HINT_MS = 6000;
const FLOOR_DB = -60;

export class LevelMeter {
  #silentMs = 0;

  /**
   * @param {HTMLElement} bar
   * @param {(isSilent: boolean) => void} onSilence told when a long silence begins and ends
   */
  constructor(bar, onSilence) {
    this.bar = bar;
    this.onSilence = onSilence;
  }

  reset() {
    this.#silentMs = 0;
    this.#show(0);
  }

  /**
   * @param {Float32Array} samples
   * @param {number} sampleRate
   */
  hear(samples, sampleRate) {
    let peak = 0;
    let energy = 0;
    for (const sample of samples) {
      peak = Math.max(peak, Math.abs(sample));
      energy += sample * sample;
    }
    const levelDb = 10 * Math.log10(energy / samples.length + 1e-9);
    this.#show(Math.max(0, 1 - levelDb / FLOOR_DB));
    this.#watchSilence(peak, (1000 * samples.length) / sampleRate);
  }

  /** @param {number} level */
  #show(level) {
    this.bar.style.setProperty("--level", level.toFixed(2));
  }

  /**
   * @param {number} peak
   * @param {number} durationMs
   */
  #watchSilence(peak, durationMs) {
    const wasSilent = this.#silentMs >= SILENCE_HINT_MS;
    this.#silentMs = peak < SILENT_PEAK ? this.#silentMs + durationMs : 0;
    const isSilent = this.#silentMs >= SILENCE_HINT_MS;
    if (isSilent !== wasSilent) this.onSilence(isSilent);
  }
}
