// @ts-check
/** The caption page: wires audio source, session, transcript and views together. */

import { bindAppearance } from "./appearance.js";
import { CaptionView } from "../captions/captions.js";
import { CaptureError } from "../audio/capture.js";
import { StreamClient, streamAddress } from "../protocol/client.js";
import { byId, duration } from "../captions/dom.js";
import { EmotionSetting } from "./emotion-setting.js";
import { Insight } from "./insight.js";
import { LevelMeter } from "../audio/level.js";
import { Notices } from "./notices.js";
import { loadPreferences, startOptions } from "./preferences.js";
import { Recording } from "../audio/recording.js";
import { SaveMenu } from "./save-menu.js";
import { bindSettings } from "./settings.js";
import { ShareDialog } from "./share.js";
import { canCaptureTab, captureFile, captureMicrophone, captureTab } from "../audio/sources.js";
import { Transcript } from "../protocol/transcript.js";
import { ScreenWake } from "./wake.js";
import { WordDetail } from "../captions/word-detail.js";

/** @typedef {import("../audio/capture.js").Capture} Capture */
/** @typedef {import("../audio/capture.js").CaptureHandlers} CaptureHandlers */
/** @typedef {import("../protocol/client.js").Chunk} Chunk */
/** @typedef {import("../protocol/client.js").Closing} Closing */
/** @typedef {import("../protocol/client.js").ServerEvent} ServerEvent */
/** @typedef {"idle" | "starting" | "live" | "paused" | "stopping"} State */

/** The server leaves those from whom it hears nothing for a minute. */
const PAUSE_BEAT_MS = 20_000;

/** @type {Record<string, string>} */
const LOSS_CAUSES = {
  overrun: "the server could not keep up",
  gap: "it never reached the server",
  bad_samples: "it held broken samples",
};

const STATUS_TEXTS = {
  idle: "Ready",
  starting: "Opening",
  live: "Listening",
  paused: "Paused",
  stopping: "Finishing",
};
const BUTTON_TEXTS = {
  idle: "Start",
  starting: "Starting",
  live: "Stop",
  paused: "Stop",
  stopping: "Stopping",
};

class CaptionPage {
  /** @type {State} */
  #state = "idle";
  /** @type {Capture | null} */
  #capture = null;
  /** @type {StreamClient | null} */
  #client = null;
  /** @type {Chunk | null} */
  #newestChunk = null;
  #sampleRate = 1;
  #begun = false;
  #explained = false;
  #pauseBeat = 0;

  constructor() {
    this.preferences = loadPreferences();
    this.transcript = new Transcript();
    this.recording = new Recording();
    this.status = byId("status", HTMLElement);
    this.statusText = byId("status-text", HTMLElement);
    this.toggle = byId("toggle", HTMLButtonElement);
    this.pause = byId("pause", HTMLButtonElement);
    this.fileButton = byId("file-open", HTMLButtonElement);
    this.tabButton = byId("tab-open", HTMLButtonElement);
    this.notices = new Notices(byId("notices", HTMLElement));
    this.share = new ShareDialog(this.preferences);
    this.wake = new ScreenWake();
    this.captions = new CaptionView({
      list: byId("lines", HTMLElement),
      scroller: byId("captions", HTMLElement),
      announcer: byId("announcer", HTMLElement),
      toLive: byId("to-live", HTMLButtonElement),
    });
    this.wordDetail = new WordDetail(byId("word-detail", HTMLElement), this.captions);
    this.level = new LevelMeter(byId("level", HTMLElement), (isSilent) => this.#showSilence(isSilent));
    this.insight = new Insight();
    this.emotion = new EmotionSetting(this.preferences, (shown) => {
      this.captions.emotionShown = shown;
      this.share.redraw();
      this.insight.redraw();
    });
    this.save = new SaveMenu(this);
    this.#bindSources();
    bindAppearance(this.preferences, () => this.insight.redraw());
    bindSettings(this.preferences);
    this.#setState("idle");
  }

  #bindSources() {
    const file = byId("file", HTMLInputElement);
    this.toggle.addEventListener("click", () => {
      if (this.#state === "idle") {
        void this.#start((handlers) => captureMicrophone(this.preferences, handlers));
      } else {
        void this.#stop();
      }
    });
    this.fileButton.addEventListener("click", () => file.click());
    file.addEventListener("change", () => {
      const chosen = file.files?.[0];
      if (chosen !== undefined) void this.#start((handlers) => captureFile(chosen, handlers));
      file.value = "";
    });
    this.tabButton.addEventListener("click", () => void this.#start(captureTab));
    this.pause.addEventListener("click", () => {
      void (this.#state === "paused" ? this.#resume() : this.#pause());
    });
    byId("clear", HTMLButtonElement).addEventListener("click", () => this.#clear());
  }

  /** @param {(handlers: CaptureHandlers) => Promise<Capture>} openSource */
  async #start(openSource) {
    if (this.#state !== "idle") return;
    this.#reset();
    this.#setState("starting");
    try {
      this.#capture = await openSource({
        onChunk: (chunk) => this.#hear(chunk),
        onEnded: () => void this.#stop(),
      });
    } catch (error) {
      this.#setState("idle");
      const known = error instanceof CaptureError;
      this.notices.show("source", "error", known ? error.message : `The sound could not be opened (${error}).`);
      return;
    }
    // The first chunks arrive from here on; the client keeps them until the server is ready.
    this.#sampleRate = this.#capture.sampleRate;
    const wanted = startOptions(this.preferences, this.#sampleRate);
    const client = new StreamClient(streamAddress(window.location), wanted);
    client.addEventListener("event", ({ detail }) => this.#handle(detail));
    client.addEventListener("state", () => this.#showStatus());
    client.addEventListener("restart", () => this.#restarted());
    client.addEventListener("closed", ({ detail }) => void this.#closed(detail));
    this.#client = client;
    this.#setState("live");
  }

  async #stop() {
    if (this.#state !== "live" && this.#state !== "paused") return;
    this.#setState("stopping");
    await this.#releaseCapture();
    this.#client?.stop();
  }

  /** Nothing is heard until `#resume`; what was said so far becomes final. */
  async #pause() {
    if (this.#state !== "live") return;
    this.#setState("paused");
    this.#pauseBeat = setInterval(() => this.#client?.finalize(), PAUSE_BEAT_MS);
    await this.#capture?.pause();
    this.level.reset();
    this.#client?.finalize();
  }

  async #resume() {
    this.#setState("live");
    await this.#capture?.resume();
  }

  async #releaseCapture() {
    const capture = this.#capture;
    this.#capture = null;
    await capture?.stop();
    this.level.reset();
  }

  #reset() {
    this.#newestChunk = null;
    this.#begun = false;
    this.#explained = false;
    this.notices.dismissAll();
    this.level.reset();
    this.insight.reset();
  }

  /** @param {State} state */
  #setState(state) {
    const focused = document.activeElement;
    this.#state = state;
    if (state !== "paused") clearInterval(this.#pauseBeat);
    const isOpen = state === "live" || state === "paused";
    // Not `disabled`, which would take the focus away.
    this.toggle.setAttribute("aria-disabled", String(state === "starting" || state === "stopping"));
    this.toggle.setAttribute("aria-pressed", String(isOpen));
    byId("toggle-text", HTMLElement).textContent = BUTTON_TEXTS[state];
    this.fileButton.hidden = state !== "idle";
    this.tabButton.hidden = state !== "idle" || !canCaptureTab();
    this.pause.hidden = !isOpen;
    this.pause.textContent = state === "paused" ? "Resume" : "Pause";
    this.wake.keep(state === "live");
    // The keyboard must not lose its place with the button that it was on.
    if (focused instanceof HTMLButtonElement && focused.hidden) this.toggle.focus();
    this.#showStatus();
    this.#showEmptiness();
  }

  #showStatus() {
    const clientState = this.#client?.state;
    const connecting = clientState === "connecting" || clientState === "reconnecting";
    const behind = this.#state === "live" && this.insight.isBehind;
    this.status.dataset.state = behind ? "behind" : this.#state;
    const listening = this.#state === "live" && connecting;
    const text = listening ? `Listening, ${clientState}` : STATUS_TEXTS[this.#state];
    const shown = behind ? "Captions lag behind" : text;
    // The status is a live region: writing the same text again would have it read out again.
    if (this.statusText.textContent !== shown) this.statusText.textContent = shown;
  }

  #showEmptiness() {
    const empty = byId("lines", HTMLElement).childElementCount === 0;
    byId("welcome", HTMLElement).hidden = !empty || this.#state !== "idle";
    byId("clear", HTMLButtonElement).disabled = empty;
    this.save.update();
  }

  /** @param {boolean} isSilent */
  #showSilence(isSilent) {
    if (isSilent) {
      this.notices.show("silence", "info", "There is no sound at all. Is the microphone muted?");
    } else {
      this.notices.dismiss("silence");
    }
  }

  /** @param {Chunk} chunk */
  #hear(chunk) {
    this.#newestChunk = chunk;
    this.level.hear(chunk.samples, this.#sampleRate);
    this.recording.add(chunk.samples, this.#sampleRate);
    this.#client?.push(chunk);
  }

  /** @param {ServerEvent} event */
  #handle(event) {
    this.insight.handle(event);
    switch (event.type) {
      case "ready":
        if (!this.#begun) this.transcript.beginSession(event.session_id);
        this.#begun = true;
        if (event.follow_id) this.share.follow(event.follow_id);
        this.#showStatus();
        break;
      case "words": {
        this.insight.measureDelay(event.words, this.#newestChunk, this.#sampleRate);
        const added = this.transcript.applyWords(event);
        const { open, tentative } = this.transcript;
        if (open !== null) this.captions.showWords(open, added, tentative);
        this.#showEmptiness();
        break;
      }
      case "segment": {
        this.insight.measureDelay(event.words, this.#newestChunk, this.#sampleRate);
        const { caption, added } = this.transcript.applySegment(event);
        this.captions.closeSegment(caption, added);
        this.#showEmptiness();
        break;
      }
      case "latency":
        this.#showStatus();
        break;
      case "loss": {
        const cause = LOSS_CAUSES[event.reason] ?? event.reason;
        const total = duration(this.insight.lostMs);
        this.notices.show("loss", "warning", `${total} of sound will not be captioned: ${cause}.`);
        break;
      }
      case "error":
        this.#explained ||= event.fatal;
        this.notices.show(`server-${event.code}`, event.fatal ? "error" : "warning", event.message);
        break;
    }
  }

  /** The server had lost the session: what was committed stays, what was guessed is said again. */
  #restarted() {
    this.captions.dropTentative();
    this.transcript.interrupt();
  }

  /** @param {Closing} closing */
  async #closed(closing) {
    const asked = this.#state === "stopping";
    this.#setState("stopping");
    this.#client = null;
    await this.#releaseCapture();
    this.captions.dropTentative();
    const { sampleOffset, samples } = this.#newestChunk ?? { sampleOffset: 0, samples: [] };
    this.transcript.endSession((1000 * (sampleOffset + samples.length)) / this.#sampleRate);
    const explanation = this.#explained ? null : explainClosing(closing, asked);
    if (explanation !== null) this.notices.show("connection", "error", explanation);
    this.#setState("idle");
  }

  #clear() {
    const captions = this.transcript.clear();
    const lines = this.captions.clear();
    const sound = this.recording.clear();
    this.wordDetail.hide();
    this.#showEmptiness();
    if (lines.length === 0) return;
    const count = lines.length === 1 ? "1 line" : `${lines.length} lines`;
    this.notices.show("cleared", "info", `Cleared ${count}, and the sound.`, {
      label: "Undo",
      run: () => {
        this.transcript.restore(captions);
        this.captions.restore(lines);
        this.recording.restore(sound);
        this.#showEmptiness();
      },
    });
  }
}

/**
 * @param {Closing} closing
 * @param {boolean} asked whether this page asked for the end
 * @returns {string | null} what happened and what to do; null if all is well
 */
function explainClosing({ code, reason, wasReady, saidBye, timedOut }, asked) {
  if (saidBye && asked) return null;
  if (saidBye) return `The server ended the session${reason ? ` (${reason})` : ""}. Press Start to go on.`;
  if (code === 4401) {
    return "The server asks for a token. Open this page with ?token=… at the end of its address.";
  }
  if (!wasReady) {
    return (
      `The server at ${window.location.host} ${timedOut ? "does not answer" : "cannot be reached"}. ` +
      "Check that it is running, and that this page's address holds its ?token=… if it asks for one."
    );
  }
  if (asked) return "The server went away before it had finished; the last words may be missing.";
  return `The connection was lost (${code}). Everything solid is kept. Press Start to go on.`;
}

new CaptionPage();
