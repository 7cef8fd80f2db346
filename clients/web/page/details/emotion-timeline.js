// @ts-check
/** The emotions of the last while, as a ribbon that moves to the left. */

import { clock } from "../../captions/dom.js";
import { EMOTIONS } from "./meters.js";

/** @typedef {import("../../protocol/client.js").EmotionEvent} EmotionEvent */
/** @typedef {{startMs: number, endMs: number, label: string, probs: Record<string, number>}} Span */

const SHOWN_MS = 90_000;
const BESIDE_ALPHA = 0.22;

/** Each stretch of time is a column of the six probabilities; that of the label told stands out. */
export class EmotionTimeline {
  /** @type {Span[]} */
  #spans = [];
  #nowMs = 0;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {(label: string) => string} colorOf CSS colour of an emotion, in the theme of the moment
   */
  constructor(canvas, colorOf) {
    this.canvas = canvas;
    this.colorOf = colorOf;
    canvas.addEventListener("pointermove", (event) => this.#explain(event.offsetX));
    new ResizeObserver(() => this.redraw()).observe(canvas);
    this.reset();
  }

  reset() {
    this.#spans = [];
    this.#nowMs = 0;
    this.#describe();
    this.redraw();
  }

  /** @param {EmotionEvent} event whose window overlaps that of the one before */
  add({ emotion, start_ms, end_ms }) {
    const previous = this.#spans.at(-1);
    const startMs = Math.max(start_ms, previous?.endMs ?? 0);
    if (startMs < end_ms) this.#spans.push({ startMs, endMs: end_ms, ...emotion });
    this.advance(end_ms);
    this.#describe();
  }

  /** @param {number} nowMs how far the session has been heard */
  advance(nowMs) {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    while (this.#spans.length > 0 && this.#spans[0].endMs < this.#nowMs - SHOWN_MS) this.#spans.shift();
    this.redraw();
  }

  /** Draws anew, for instance in the colours of another theme. */
  redraw() {
    const { canvas } = this;
    const context = canvas.getContext("2d");
    if (context === null) return;
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * scale);
    canvas.height = Math.round(canvas.clientHeight * scale);
    const colors = new Map(EMOTIONS.map((label) => [label, this.colorOf(label)]));
    const pixelsPerMs = canvas.width / SHOWN_MS;
    for (const { startMs, endMs, label, probs } of this.#spans) {
      // Whole pixels, so that no seams show between columns.
      const left = Math.round(canvas.width - (this.#nowMs - startMs) * pixelsPerMs);
      const right = Math.round(canvas.width - (this.#nowMs - endMs) * pixelsPerMs);
      let top = canvas.height;
      for (const [name, color] of colors) {
        const height = (probs[name] ?? 0) * canvas.height;
        top -= height;
        context.globalAlpha = name === label ? 1 : BESIDE_ALPHA;
        context.fillStyle = color;
        context.fillRect(left, top, right - left, height);
      }
    }
  }

  /** For those who cannot see it: how long each emotion was told. */
  #describe() {
    /** @type {Map<string, number>} */
    const totals = new Map();
    for (const { label, startMs, endMs } of this.#spans) {
      totals.set(label, (totals.get(label) ?? 0) + endMs - startMs);
    }
    const parts = [...totals].sort((a, b) => b[1] - a[1]);
    const told = parts.map(([label, ms]) => `${label} ${Math.round(ms / 1000)} s`).join(", ");
    const text = `Emotion of the last ${SHOWN_MS / 1000} seconds: ${told || "none yet"}`;
    this.canvas.setAttribute("aria-label", text);
  }

  /** @param {number} x CSS pixels from the left edge */
  #explain(x) {
    const atMs = this.#nowMs - SHOWN_MS * (1 - x / this.canvas.clientWidth);
    const span = this.#spans.find(({ startMs, endMs }) => startMs <= atMs && atMs < endMs);
    const percent = Math.round(100 * (span?.probs[span.label] ?? 0));
    const sure = percent > 0 ? `, ${percent} %` : "";
    this.canvas.title = span === undefined ? "" : `${clock(span.startMs)}: ${span.label}${sure}`;
  }
}
