// @ts-check
/** The menu that saves captions and sound as files. */

import { byId, clock } from "../captions/dom.js";
import { toJsonLines, toSubRip, toText, toWebVtt } from "../captions/exports.js";
import { RECORDED_MINUTES } from "../audio/recording.js";

/** @typedef {import("./emotion-setting.js").EmotionSetting} EmotionSetting */
/** @typedef {import("./notices.js").Notices} Notices */
/** @typedef {import("../audio/recording.js").Recording} Recording */
/** @typedef {import("../protocol/transcript.js").Transcript} Transcript */

const KEEP_URL_MS = 60_000;
const TEXTS = {
  txt: { type: "text/plain", write: toText },
  srt: { type: "application/x-subrip", write: toSubRip },
  vtt: { type: "text/vtt", write: toWebVtt },
  jsonl: { type: "application/jsonl", write: toJsonLines },
};

export class SaveMenu {
  /**
   * @param {{transcript: Transcript, recording: Recording, notices: Notices,
   *   emotion: EmotionSetting}} kept
   */
  constructor({ transcript, recording, notices, emotion }) {
    this.transcript = transcript;
    this.emotion = emotion;
    this.recording = recording;
    this.notices = notices;
    this.menu = byId("save", HTMLDetailsElement);
    this.summary = byId("save-open", HTMLElement);
    byId("save-minutes", HTMLElement).textContent = String(RECORDED_MINUTES);
    for (const item of this.menu.querySelectorAll("button")) {
      item.addEventListener("click", () => {
        this.#close();
        if (item.dataset.format === "wav") this.#saveSound();
        else this.#saveText(/** @type {keyof typeof TEXTS} */ (item.dataset.format));
      });
    }
    this.menu.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.menu.open) this.#close();
    });
    document.addEventListener("click", (event) => {
      if (event.target instanceof Node && !this.menu.contains(event.target)) this.menu.open = false;
    });
    this.summary.addEventListener("click", (event) => {
      if (this.summary.getAttribute("aria-disabled") === "true") event.preventDefault();
    });
  }

  /** Opens only while there is something to save. */
  update() {
    const empty = this.transcript.committed().length === 0 && this.recording.isEmpty;
    this.summary.setAttribute("aria-disabled", String(empty));
    if (empty) this.menu.open = false;
  }

  #close() {
    this.menu.open = false;
    this.summary.focus();
  }

  /** @param {keyof typeof TEXTS} format */
  #saveText(format) {
    const { type, write } = TEXTS[format];
    download(new Blob([write(this.transcript.committed(), this.emotion.shown)], { type }), format);
  }

  #saveSound() {
    const { startMs } = this.recording;
    download(this.recording.toWav(), "wav");
    if (startMs === 0) return;
    this.notices.show("sound", "info", `The saved sound begins at ${clock(startMs)} of the captions.`);
  }
}

/**
 * @param {Blob} blob
 * @param {string} suffix
 */
function download(blob, suffix) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `captions-${new Date().toISOString().slice(0, 16).replace(":", "-")}.${suffix}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEEP_URL_MS);
}
