// @ts-check
/** Messages above the controls: what went wrong, and what to do about it. */

import { duration, quietButton } from "../captions/dom.js";

/** @typedef {"error" | "warning" | "info"} Severity */

/** @type {Record<string, string>} */
const LOSS_CAUSES = {
  overrun: "the server could not keep up",
  gap: "it never reached the server",
  bad_samples: "it held broken samples",
};

export class Notices {
  /** @type {Map<string, HTMLElement>} */
  #shown = new Map();

  /** @param {HTMLElement} container */
  constructor(container) {
    this.container = container;
  }

  /**
   * Shows a notice; one with the same key takes the place of the older one.
   *
   * @param {string} key
   * @param {Severity} severity
   * @param {string} message
   * @param {{label: string, run: () => void} | null} action
   */
  show(key, severity, message, action = null) {
    this.dismiss(key);
    const notice = document.createElement("div");
    notice.className = `notice ${severity}`;
    notice.dataset.key = key;
    notice.setAttribute("role", severity === "error" ? "alert" : "status");
    const text = document.createElement("p");
    text.textContent = message;
    notice.append(text);
    if (action !== null) {
      notice.append(quietButton(action.label, () => (this.dismiss(key), action.run())));
    }
    const close = quietButton("×", () => this.dismiss(key));
    close.setAttribute("aria-label", "Dismiss");
    notice.append(close);
    this.#shown.set(key, notice);
    this.container.append(notice);
  }

  /**
   * @param {number} lostMs in all
   * @param {string} reason of the newest loss
   */
  showLoss(lostMs, reason) {
    const cause = LOSS_CAUSES[reason] ?? reason;
    this.show("loss", "warning", `${duration(lostMs)} of sound will not be captioned: ${cause}.`);
  }

  /** @param {string} key */
  dismiss(key) {
    this.#shown.get(key)?.remove();
    this.#shown.delete(key);
  }

  dismissAll() {
    for (const key of [...this.#shown.keys()]) this.dismiss(key);
  }
}
