// @ts-check
/** The newest lines in a small window that stays above all others, where the browser has such. */

import { byId, element } from "../../captions/dom.js";
import { applyReading } from "../reading/reading.js";

/** @typedef {import("../preferences.js").Preferences} Preferences */
/** @typedef {{requestWindow: (options: {width: number, height: number}) => Promise<Window>}} PictureInPicture */

const KEPT_LINES = 6;
const SIZE_PX = { width: 720, height: 180 };

/** Copies what the page shows whenever that changes: tabs out of sight draw nothing themselves. */
export class Strip {
  /** @type {Window | null} */
  #window = null;

  /** @param {Preferences} preferences */
  constructor(preferences) {
    this.preferences = preferences;
    this.button = byId("strip-open", HTMLButtonElement);
    this.lines = byId("lines", HTMLElement);
    this.banner = byId("banner", HTMLElement);
    this.observer = new MutationObserver(() => this.#copy());
    const { documentPictureInPicture: api } =
      /** @type {{documentPictureInPicture?: PictureInPicture}} */ (/** @type {unknown} */ (window));
    this.button.hidden = api === undefined;
    this.button.addEventListener("click", () => {
      if (this.#window !== null) this.#window.close();
      else if (api !== undefined) void this.#open(api);
    });
  }

  /** The person reads in another way now. */
  redraw() {
    if (this.#window === null) return;
    const root = this.#window.document.documentElement;
    applyReading(this.preferences, root);
    root.dataset.emotionShown = document.documentElement.dataset.emotionShown;
    this.#copy();
  }

  /** @param {PictureInPicture} api */
  async #open(api) {
    const strip = await api.requestWindow(SIZE_PX);
    this.#window = strip;
    const { head, body } = strip.document;
    strip.document.title = "Captions";
    strip.document.documentElement.lang = document.documentElement.lang;
    for (const sheet of document.querySelectorAll("link[rel=stylesheet]")) {
      head.append(strip.document.importNode(sheet, true));
    }
    body.className = "strip";
    body.append(element("div", "strip-banner"), element("ol", "lines"));
    for (const shown of [this.lines, this.banner]) {
      this.observer.observe(shown, { childList: true, subtree: true, characterData: true, attributes: true });
    }
    strip.addEventListener("pagehide", () => this.#closed());
    this.button.setAttribute("aria-pressed", "true");
    this.redraw();
  }

  #copy() {
    const strip = this.#window?.document;
    if (strip === undefined) return;
    const newest = [...this.lines.children].slice(-KEPT_LINES).map((line) => /** @type {HTMLElement} */ (line.cloneNode(true)));
    for (const line of newest) {
      // Names can be changed on the page alone.
      for (const who of line.querySelectorAll("button")) who.disabled = true;
    }
    const list = strip.querySelector(".lines");
    list?.toggleAttribute("data-named", this.lines.hasAttribute("data-named"));
    list?.replaceChildren(...newest);
    const banner = /** @type {HTMLElement} */ (strip.querySelector(".strip-banner"));
    banner.dataset.tone = this.banner.dataset.tone;
    banner.textContent = [...this.banner.querySelectorAll("p")].map((part) => part.textContent).join(" ");
  }

  #closed() {
    this.#window = null;
    this.observer.disconnect();
    this.button.setAttribute("aria-pressed", "false");
    this.button.focus();
  }
}
