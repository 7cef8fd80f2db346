// @ts-check
/** How far a file has been captioned. Said once, shown all the time. */

import { element } from "../captions/dom.js";

export class FileProgress {
  /**
   * @param {HTMLElement} container of notices
   * @param {string} name of the file
   */
  constructor(container, name) {
    this.notice = element("div", "notice info");
    this.notice.setAttribute("role", "status");
    const text = element("p", "", `Captioning “${name}”. It comes into the history.`);
    this.bar = document.createElement("progress");
    this.bar.className = "file-progress";
    this.bar.setAttribute("aria-label", `Of “${name}” captioned`);
    this.notice.append(text, this.bar);
    container.append(this.notice);
  }

  /** @param {number} share from 0 to 1 */
  show(share) {
    this.bar.value = Math.max(0, Math.min(1, share));
  }

  remove() {
    this.notice.remove();
  }
}
