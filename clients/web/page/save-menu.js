// @ts-check
/** The menu that saves captions and sound as files. */

import { byId, clock, download } from "../captions/dom.js";
import { TEXT_FORMATS } from "../captions/exports.js";
import { RECORDED_MINUTES } from "../audio/recording.js";

/** @typedef {import("./emotion-setting.js").EmotionSetting} EmotionSetting */
/** @typedef {import("../history/settings.js").HistorySettings} HistorySettings */
/** @typedef {import("./notices.js").Notices} Notices */
/** @typedef {import("../audio/recording.js").Recording} Recording */
/** @typedef {import("../protocol/transcript.js").Transcript} Transcript */

export class SaveMenu {
  /**
   * @param {{transcript: Transcript, recording: Recording, notices: Notices,
   *   emotion: EmotionSetting, history: HistorySettings}} kept
   */
  constructor({ transcript, recording, notices, emotion, history }) {
    this.transcript = transcript;
    this.history = history;
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
        else this.#saveText(/** @type {keyof typeof TEXT_FORMATS} */ (item.dataset.format));
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

  /** @param {keyof typeof TEXT_FORMATS} format */
  #saveText(format) {
    const { type, write } = TEXT_FORMATS[format];
    const options = { shown: this.emotion.shown, isTimed: this.history.clockTimes };
    download(new Blob([write(this.transcript.committed(), options)], { type }), format, new Date());
  }

  #saveSound() {
    const { startMs } = this.recording;
    download(this.recording.toWav(), "wav", new Date());
    if (startMs === 0) return;
    this.notices.show("sound", "info", `The saved sound begins at ${clock(startMs)} of the captions.`);
  }
}
