// @ts-check
/** The panel beside the captions: emotion, latency, what decides, what was lost. */

import { byId, duration, languageName } from "../captions/dom.js";
import { EmotionTimeline } from "./emotion-timeline.js";
import { EmotionMeter, LatencyMeter } from "./meters.js";

/** @typedef {import("../protocol/client.js").Chunk} Chunk */
/** @typedef {import("../protocol/client.js").ServerEvent} ServerEvent */
/** @typedef {import("../protocol/client.js").WireWord} WireWord */

const LAG_WARNING_MS = 1000;
const LAG_ALL_CLEAR_MS = 800;

/** Loss is counted in samples of the session clock. */
const SESSION_RATE = 16_000;

export class Insight {
  #isBehind = false;
  #lostMs = 0;
  #lastShownId = -1;

  constructor() {
    this.decoder = byId("decoder", HTMLElement);
    this.language = byId("spoken", HTMLElement);
    this.lost = byId("lost", HTMLElement);
    this.lag = byId("lag", HTMLElement);
    this.emotion = new EmotionMeter(
      byId("emotion-badge", HTMLElement),
      byId("emotion-bars", HTMLElement),
    );
    this.timeline = new EmotionTimeline(byId("timeline", HTMLCanvasElement), (label) =>
      this.emotion.colorOf(label),
    );
    this.latency = new LatencyMeter({
      lag: this.lag,
      delay: byId("delay", HTMLElement),
      stages: byId("stages", HTMLElement),
      sparkline: byId("sparkline", HTMLCanvasElement),
    });
    this.#bindToggle();
  }

  /** Whether captions lag so much that the person should know. */
  get isBehind() {
    return this.#isBehind;
  }

  /** How much of the session's sound will have no captions. */
  get lostMs() {
    return this.#lostMs;
  }

  /** A new session begins. */
  reset() {
    this.#isBehind = false;
    this.#lostMs = 0;
    this.#lastShownId = -1;
    this.lost.textContent = "none";
    this.decoder.textContent = "–";
    this.decoder.removeAttribute("title");
    this.language.textContent = "–";
    this.language.removeAttribute("title");
    this.emotion.reset();
    this.timeline.reset();
    this.latency.reset();
  }

  /** Draws anew, for instance in the colours of another theme. */
  redraw() {
    this.latency.redraw();
    this.timeline.redraw();
  }

  /** @param {ServerEvent} event */
  handle(event) {
    switch (event.type) {
      case "ready":
        this.decoder.textContent = event.decoder === "fused" ? "draft + LLM" : "draft";
        this.decoder.title = Object.values(event.models).join(", ");
        if (event.language === "auto") this.language.textContent = "to be found out";
        else if (event.language) this.language.textContent = languageName(event.language);
        break;
      case "language":
        this.language.textContent = languageName(event.language);
        this.language.title = `${Math.round(100 * event.probability)} % sure`;
        break;
      case "emotion":
        this.emotion.show(event.emotion);
        this.timeline.add(event);
        break;
      case "latency":
        this.latency.show(event);
        this.timeline.advance(event.processed_ms);
        this.#isBehind = event.lag_ms > (this.#isBehind ? LAG_ALL_CLEAR_MS : LAG_WARNING_MS);
        this.lag.classList.toggle("behind", this.#isBehind);
        break;
      case "decoder":
        this.decoder.textContent = event.decoder === "fused" ? "draft + LLM" : "draft, LLM paused";
        this.decoder.title = event.reason;
        break;
      case "loss":
        this.#lostMs += (1000 * event.lost_samples) / SESSION_RATE;
        this.lost.textContent = duration(this.#lostMs);
        break;
    }
  }

  /**
   * Time from the end of a word in the air to its first appearance here, tentative or not.
   *
   * @param {WireWord[]} words
   * @param {Chunk | null} newest
   * @param {number} sampleRate
   */
  measureDelay(words, newest, sampleRate) {
    if (newest === null) return;
    const sessionStartMs = newest.captureTimeMs - (1000 * newest.sampleOffset) / sampleRate;
    const nowMs = performance.timeOrigin + performance.now();
    for (const word of words) {
      if (word.id <= this.#lastShownId) continue;
      this.#lastShownId = word.id;
      this.latency.addDelay(Math.max(0, nowMs - sessionStartMs - word.end_ms));
    }
  }

  #bindToggle() {
    const button = byId("insight-toggle", HTMLButtonElement);
    const show = (/** @type {boolean} */ closed) => {
      document.body.classList.toggle("insight-closed", closed);
      button.setAttribute("aria-expanded", String(!closed));
      this.redraw();
    };
    button.addEventListener("click", () => {
      show(!document.body.classList.contains("insight-closed"));
    });
    // A small screen belongs to the captions; it shows a short form of the read-outs.
    show(window.matchMedia("(max-width: 56rem)").matches);
  }
}
