// @ts-check
/** Shows the condition of the session: status line, banner, title and icon of the tab, vibration. */

import { byId } from "../../captions/dom.js";

/** @typedef {import("./conditions.js").Condition} Condition */
/** @typedef {import("./conditions.js").Facts} Facts */
/** @typedef {import("./conditions.js").Tone} Tone */

const VIBRATIONS_MS = { alarm: [250, 120, 250], good: [80] };
const ICON_COLORS = { warning: "%238a5300", alarm: "%23b3261e" };
const EXCLAMATION_MARK = "M16 7v11m0 6v1";

export class StatusView {
  #message = "";
  /** @type {Tone} */
  #tone = "calm";

  /** @param {() => boolean} mayVibrate */
  constructor(mayVibrate) {
    this.mayVibrate = mayVibrate;
    this.line = byId("status", HTMLElement);
    this.text = byId("status-text", HTMLElement);
    this.banner = byId("banner", HTMLElement);
    this.alert = byId("banner-alert", HTMLElement);
    this.news = byId("banner-news", HTMLElement);
    this.count = byId("banner-count", HTMLElement);
    this.icon = byId("icon", HTMLLinkElement);
    this.usualIcon = this.icon.href;
    this.usualTitle = document.title;
  }

  /**
   * @param {Condition} condition
   * @param {Facts} facts
   */
  show({ name, tone, status, message, count }, facts) {
    this.line.dataset.state = name;
    this.line.dataset.tone = tone;
    // Live regions: writing the same text again would have it read out again.
    write(this.text, status);
    const text = message?.(facts) ?? "";
    if (text !== this.#message) this.#showMessage(text, tone, status);
    write(this.count, count?.(facts) ?? "");
  }

  /**
   * @param {string} message
   * @param {Tone} tone
   * @param {string} status
   */
  #showMessage(message, tone, status) {
    this.#message = message;
    this.banner.dataset.tone = message === "" ? "" : tone;
    // What is wrong interrupts a screen reader, the rest waits for its turn.
    write(this.alert, tone === "alarm" ? message : "");
    write(this.news, tone === "alarm" ? "" : message);
    const isTrouble = message !== "" && (tone === "alarm" || tone === "warning");
    document.title = isTrouble ? `⚠ ${status} · streamer` : this.usualTitle;
    this.icon.href = isTrouble ? troubleIcon(tone) : this.usualIcon;
    if (message !== "" && (tone === "alarm" || tone === "good") && this.mayVibrate()) {
      navigator.vibrate?.(VIBRATIONS_MS[tone]);
    }
  }
}

/** @param {Tone} tone */
function troubleIcon(tone) {
  const color = tone === "alarm" ? ICON_COLORS.alarm : ICON_COLORS.warning;
  return (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E" +
    `%3Ccircle cx='16' cy='16' r='16' fill='${color}'/%3E%3Cpath d='${EXCLAMATION_MARK}' ` +
    "stroke='white' stroke-width='4' stroke-linecap='round'/%3E%3C/svg%3E"
  );
}

/**
 * @param {HTMLElement} node
 * @param {string} text
 */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
