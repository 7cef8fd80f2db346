// @ts-check
/** The buttons below the captions: what can be started, paused and cleared, and when. */

import { byId } from "../captions/dom.js";
import { canCaptureTab } from "../audio/sources.js";

/** @typedef {import("./status/conditions.js").Phase} Phase */

/**
 * What the person can ask for. `toggle` starts the microphone, or stops whatever runs; `file` is
 * played, `read` is not; `sides` are the microphone and a tab.
 *
 * @typedef {{toggle: () => void, file: (file: File) => void, read: (file: File) => void, tab: () => void,
 *   sides: () => void, pause: () => void, clear: () => void}} Wishes
 */

const BUTTON_TEXTS = {
  idle: "Start",
  starting: "Starting",
  live: "Stop",
  paused: "Stop",
  stopping: "Stopping",
};

export class Controls {
  /** @param {Wishes} wishes */
  constructor(wishes) {
    this.toggle = byId("toggle", HTMLButtonElement);
    this.pause = byId("pause", HTMLButtonElement);
    this.file = byId("file-open", HTMLButtonElement);
    this.read = byId("read-open", HTMLButtonElement);
    this.tab = byId("tab-open", HTMLButtonElement);
    this.sides = byId("sides-open", HTMLButtonElement);
    this.clear = byId("clear", HTMLButtonElement);
    this.toggle.addEventListener("click", wishes.toggle);
    this.pause.addEventListener("click", wishes.pause);
    this.tab.addEventListener("click", wishes.tab);
    this.sides.addEventListener("click", wishes.sides);
    this.clear.addEventListener("click", wishes.clear);
    bindChooser(this.file, byId("file", HTMLInputElement), wishes.file);
    bindChooser(this.read, byId("read", HTMLInputElement), wishes.read);
  }

  /** @param {Phase} phase */
  show(phase) {
    const focused = document.activeElement;
    const isOpen = phase === "live" || phase === "paused";
    // Not `disabled`, which would take the focus away.
    this.toggle.setAttribute("aria-disabled", String(phase === "starting" || phase === "stopping"));
    this.toggle.setAttribute("aria-pressed", String(isOpen));
    byId("toggle-text", HTMLElement).textContent = BUTTON_TEXTS[phase];
    this.file.hidden = this.read.hidden = phase !== "idle";
    this.tab.hidden = this.sides.hidden = phase !== "idle" || !canCaptureTab();
    this.pause.hidden = !isOpen;
    this.pause.textContent = phase === "paused" ? "Resume" : "Pause";
    // The keyboard must not lose its place with the button that it was on.
    if (focused instanceof HTMLButtonElement && focused.hidden) this.toggle.focus();
  }
}

/**
 * @param {HTMLButtonElement} button
 * @param {HTMLInputElement} chooser
 * @param {(file: File) => void} choose
 */
function bindChooser(button, chooser, choose) {
  button.addEventListener("click", () => chooser.click());
  chooser.addEventListener("change", () => {
    const chosen = chooser.files?.[0];
    if (chosen !== undefined) choose(chosen);
    chooser.value = "";
  });
}
