// @ts-check
/** How loud it is, and for how long there has been no sound at all. */

const SILENT_PEAK = 1e-4;
/** Nothing at all from the beginning is a microphone that is off; later it may be a quiet room, whose
 *  last noise the browser has suppressed. */
const FIRST_SILENCE_MS = 6_000;
const SILENCE_MS = 20_000;
const FLOOR_DB = -60;

export class LevelMeter {
  #silentMs = 0;
  #wasHeard = false;

  /**
   * @param {HTMLElement} bar
   * @param {(silentMs: number) => void} onSilence told when a silence has become long, and with 0
   *   when it ends
   */
  constructor(bar, onSilence) {
    this.bar = bar;
    this.onSilence = onSilence;
  }

  reset() {
    this.#silentMs = 0;
    this.#wasHeard = false;
    this.bar.classList.remove("dead");
    this.#show(0);
  }

  /**
   * @param {Float32Array[]} sides the bar shows the louder one; it is the first that may be silent
   * @param {number} sampleRate
   * @param {boolean} isTaken whether it reaches the server: the bar does not move over a dead connection
   */
  hear(sides, sampleRate, isTaken) {
    const measured = sides.map(measure);
    const levelDb = Math.max(...measured.map((side) => side.levelDb));
    this.#show(isTaken ? Math.max(0, 1 - levelDb / FLOOR_DB) : 0);
    this.bar.classList.toggle("dead", !isTaken);
    this.#watchSilence(measured[0].peak, (1000 * sides[0].length) / sampleRate);
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
    const limitMs = this.#wasHeard ? SILENCE_MS : FIRST_SILENCE_MS;
    const wasSilent = this.#silentMs >= limitMs;
    this.#wasHeard ||= peak >= SILENT_PEAK;
    this.#silentMs = peak < SILENT_PEAK ? this.#silentMs + durationMs : 0;
    const isSilent = this.#silentMs >= limitMs;
    if (isSilent !== wasSilent) this.onSilence(this.#silentMs);
  }
}

/** @param {Float32Array} samples */
function measure(samples) {
  let peak = 0;
  let energy = 0;
  for (const sample of samples) {
    peak = Math.max(peak, Math.abs(sample));
    energy += sample * sample;
  }
  return { peak, levelDb: 10 * Math.log10(energy / samples.length + 1e-9) };
}
