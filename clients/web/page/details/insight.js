// @ts-check
/** The details beside the captions: emotion, latency, what decides, what was lost. */

import { byId, duration, languageName } from "../../captions/dom.js";
import { EmotionTimeline } from "./emotion-timeline.js";
import { EmotionMeter, LatencyMeter } from "./meters.js";
import { savePreferences } from "../preferences.js";

/** @typedef {import("../../protocol/client.js").ServerEvent} ServerEvent */
/** @typedef {import("../preferences.js").Preferences} Preferences */

/** Loss is counted in samples of the session clock. */
const SESSION_RATE = 16_000;

export class Insight {
  #lostMs = 0;

  /** @param {Preferences} preferences */
  constructor(preferences) {
    this.preferences = preferences;
    this.decoder = byId("decoder", HTMLElement);
    this.language = byId("spoken", HTMLElement);
    this.lost = byId("lost", HTMLElement);
    this.emotion = new EmotionMeter(
      byId("emotion-badge", HTMLElement),
      byId("emotion-bars", HTMLElement),
    );
    this.timeline = new EmotionTimeline(byId("timeline", HTMLCanvasElement), (label) =>
      this.emotion.colorOf(label),
    );
    this.latency = new LatencyMeter({
      lag: byId("lag", HTMLElement),
      delay: byId("delay", HTMLElement),
      stages: byId("stages", HTMLElement),
      sparkline: byId("sparkline", HTMLCanvasElement),
    });
    this.#bindToggle();
  }

  /** How much of the session's sound will have no captions. */
  get lostMs() {
    return this.#lostMs;
  }

  /** A new session begins. */
  reset() {
    this.#lostMs = 0;
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

  /** @param {number[]} delaysMs of words that are shown for the first time */
  addDelays(delaysMs) {
    for (const delayMs of delaysMs) this.latency.addDelay(delayMs);
  }

  #bindToggle() {
    const button = byId("insight-toggle", HTMLButtonElement);
    const show = () => {
      const { details } = this.preferences;
      byId("insight", HTMLElement).hidden = !details;
      document.body.classList.toggle("with-details", details);
      button.setAttribute("aria-expanded", String(details));
      this.redraw();
    };
    button.addEventListener("click", () => {
      this.preferences.details = !this.preferences.details;
      savePreferences(this.preferences);
      show();
    });
    show();
  }
}
