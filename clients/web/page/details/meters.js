// @ts-check
/** Read-outs beside the captions: live emotion, and where the time goes. */

import { duration } from "../../captions/dom.js";

/** @typedef {import("../../protocol/client.js").WireEmotion} WireEmotion */
/** @typedef {import("../../protocol/client.js").LatencyEvent} LatencyEvent */

export const EMOTIONS = ["neutral", "happy", "sad", "angry", "fearful", "disgust"];
const LAG_HISTORY = 90;
const DELAY_HISTORY = 300;
const SPARKLINE_MIN_RANGE_MS = 500;
const STAGE_ORDER = ["receive", "dequeue", "vad", "encode", "emotion", "decode", "fuse", "llm", "emit"];

export class EmotionMeter {
  /**
   * @param {HTMLElement} badge
   * @param {HTMLElement} bars
   */
  constructor(badge, bars) {
    this.badge = badge;
    /** @type {Map<string, {row: HTMLElement, fill: HTMLElement, value: HTMLElement}>} */
    this.rows = new Map();
    this.bars = bars;
    for (const label of EMOTIONS) this.#row(label);
    this.reset();
  }

  reset() {
    this.badge.textContent = "–";
    delete this.badge.dataset.emotion;
    for (const label of this.rows.keys()) this.#set(label, 0, false);
  }

  /** @param {WireEmotion} emotion */
  show({ label, probs }) {
    this.badge.textContent = label === "unknown" ? "unsure" : label;
    this.badge.dataset.emotion = label;
    for (const [name, probability] of Object.entries(probs)) {
      this.#set(name, probability, name === label);
    }
  }

  /**
   * @param {string} label
   * @returns {string} CSS colour in the theme of the moment
   */
  colorOf(label) {
    return getComputedStyle(this.#row(label).fill).backgroundColor;
  }

  /**
   * @param {string} label
   * @param {number} probability
   * @param {boolean} leading
   */
  #set(label, probability, leading) {
    const { row, fill, value } = this.#row(label);
    row.classList.toggle("leading", leading);
    fill.style.setProperty("--share", probability.toFixed(3));
    value.textContent = `${Math.round(100 * probability)} %`;
  }

  /** @param {string} label */
  #row(label) {
    const known = this.rows.get(label);
    if (known !== undefined) return known;
    const row = document.createElement("li");
    row.dataset.emotion = label;
    const name = child(row, "span", "name", label);
    name.title = label;
    const fill = child(child(row, "span", "track"), "span", "fill");
    const value = child(row, "span", "value", "0 %");
    this.bars.append(row);
    const parts = { row, fill, value };
    this.rows.set(label, parts);
    return parts;
  }
}

export class LatencyMeter {
  /** @type {number[]} */
  #lagsMs = [];
  /** @type {number[]} */
  #delaysMs = [];

  /**
   * @param {{lag: HTMLElement, delay: HTMLElement, stages: HTMLElement,
   *   sparkline: HTMLCanvasElement}} elements
   */
  constructor({ lag, delay, stages, sparkline }) {
    this.lag = lag;
    this.delay = delay;
    this.stages = stages;
    this.sparkline = sparkline;
    this.reset();
  }

  reset() {
    this.#lagsMs = [];
    this.#delaysMs = [];
    this.lag.textContent = "–";
    this.delay.textContent = "–";
    this.stages.replaceChildren();
    this.#draw();
  }

  /** @param {LatencyEvent} event */
  show(event) {
    this.showLag(event.lag_ms);
    this.#showStages(event.stages_ms);
  }

  /** @param {number} lagMs */
  showLag(lagMs) {
    this.#lagsMs.push(lagMs);
    if (this.#lagsMs.length > LAG_HISTORY) this.#lagsMs.shift();
    this.lag.textContent = duration(lagMs);
    const most = duration(Math.max(...this.#lagsMs));
    this.sparkline.setAttribute("aria-label", `Lag of the last minute and a half: at most ${most}`);
    this.#draw();
  }

  /** @param {number} delayMs from the end of a word in the air to its first showing here */
  addDelay(delayMs) {
    this.#delaysMs.push(delayMs);
    if (this.#delaysMs.length > DELAY_HISTORY) this.#delaysMs.shift();
    const [p50, p95] = [0.5, 0.95].map((q) => duration(quantile(this.#delaysMs, q)));
    this.delay.textContent = `${p50} · ${p95}`;
  }

  /** Draws anew, for instance in the colours of another theme. */
  redraw() {
    this.#draw();
  }

  /** @param {LatencyEvent["stages_ms"]} stagesMs */
  #showStages(stagesMs) {
    const names = Object.keys(stagesMs).sort((a, b) => stageRank(a) - stageRank(b));
    const longestMs = Math.max(1, ...names.map((name) => stagesMs[name].p95));
    const rows = names.map((name) => {
      const { p50, p95 } = stagesMs[name];
      const row = document.createElement("tr");
      const head = child(row, "th", "", name.replaceAll("_", " "));
      head.setAttribute("scope", "row");
      const bar = child(head, "span", "stage-bar");
      bar.style.setProperty("--p50", (p50 / longestMs).toFixed(3));
      bar.style.setProperty("--p95", (p95 / longestMs).toFixed(3));
      child(row, "td", "", duration(p50));
      child(row, "td", "", duration(p95));
      return row;
    });
    this.stages.replaceChildren(...rows);
  }

  #draw() {
    const canvas = this.sparkline;
    const context = canvas.getContext("2d");
    if (context === null) return;
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * scale);
    canvas.height = Math.round(canvas.clientHeight * scale);
    context.scale(scale, scale);
    drawSparkline(context, canvas, this.#lagsMs);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {HTMLCanvasElement} canvas
 * @param {number[]} lagsMs
 */
function drawSparkline(context, { clientWidth, clientHeight }, lagsMs) {
  if (lagsMs.length < 2) return;
  const style = getComputedStyle(context.canvas);
  const range = Math.max(SPARKLINE_MIN_RANGE_MS, ...lagsMs);
  const x = (/** @type {number} */ i) =>
    clientWidth - (lagsMs.length - 1 - i) * (clientWidth / (LAG_HISTORY - 1));
  const y = (/** @type {number} */ lagMs) =>
    clientHeight - 2 - (lagMs / range) * (clientHeight - 6);
  context.beginPath();
  lagsMs.forEach((lagMs, i) => context.lineTo(x(i), y(lagMs)));
  context.strokeStyle = style.color;
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  context.stroke();
  context.lineTo(clientWidth, clientHeight);
  context.lineTo(x(0), clientHeight);
  context.globalAlpha = 0.12;
  context.fillStyle = style.color;
  context.fill();
}

/**
 * @param {number[]} values
 * @param {number} q
 */
function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}

/** @param {string} stage */
function stageRank(stage) {
  const rank = STAGE_ORDER.indexOf(stage);
  return rank < 0 ? STAGE_ORDER.length : rank;
}

/**
 * @param {HTMLElement} parent
 * @param {string} name
 * @param {string} className
 * @param {string} text
 */
function child(parent, name, className, text = "") {
  const node = document.createElement(name);
  node.className = className;
  node.textContent = text;
  parent.append(node);
  return node;
}
