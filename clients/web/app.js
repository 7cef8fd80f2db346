// @ts-check
/** The caption page: wires audio source, session, transcript and views together. */

import { CaptionView } from "./captions.js";
import { CaptureError, captureFile, captureMicrophone, listMicrophones } from "./capture.js";
import { StreamClient, streamAddress } from "./client.js";
import { EmotionMeter, LatencyMeter, duration } from "./meters.js";
import { Notices } from "./notices.js";
import {
  applyAppearance,
  loadPreferences,
  nextTheme,
  parseHotWords,
  savePreferences,
  steppedTextSize,
} from "./preferences.js";
import { Transcript, toJsonLines, toSubRip, toText, toWebVtt } from "./transcript.js";

/** @typedef {import("./capture.js").Capture} Capture */
/** @typedef {import("./capture.js").CaptureHandlers} CaptureHandlers */
/** @typedef {import("./client.js").Chunk} Chunk */
/** @typedef {import("./client.js").Closing} Closing */
/** @typedef {import("./client.js").ServerEvent} ServerEvent */
/** @typedef {import("./client.js").WireWord} WireWord */
/** @typedef {"idle" | "starting" | "live" | "stopping"} State */

const LAG_WARNING_MS = 1000;
const LAG_ALL_CLEAR_MS = 800;
const SILENT_PEAK = 1e-4;
const SILENCE_HINT_MS = 6000;
const LEVEL_FLOOR_DB = -60;

/** Loss is counted in samples of the session clock. */
const SESSION_RATE = 16_000;

/** @type {Record<string, string>} */
const LOSS_CAUSES = {
  overrun: "the server could not keep up",
  gap: "it never reached the server",
  bad_samples: "it held broken samples",
};

const EXPORTS = {
  txt: { type: "text/plain", write: toText },
  srt: { type: "application/x-subrip", write: toSubRip },
  vtt: { type: "text/vtt", write: toWebVtt },
  jsonl: { type: "application/jsonl", write: toJsonLines },
};

const STATUS_TEXTS = { idle: "Ready", starting: "Opening", live: "Listening", stopping: "Finishing" };
const BUTTON_TEXTS = { idle: "Start", starting: "Starting", live: "Stop", stopping: "Stopping" };

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
function byId(id, type) {
  const node = document.getElementById(id);
  if (!(node instanceof type)) throw new Error(`the page lacks #${id}`);
  return node;
}

class CaptionPage {
  /** @type {State} */
  #state = "idle";
  /** @type {Capture | null} */
  #capture = null;
  /** @type {StreamClient | null} */
  #client = null;
  /** @type {{sampleOffset: number, captureTimeMs: number} | null} */
  #newestChunk = null;
  #capturedSamples = 0;
  #sampleRate = 1;
  #silentMs = 0;
  #begun = false;
  #lostMs = 0;
  #lastShownId = -1;
  #behind = false;
  #explained = false;

  constructor() {
    this.preferences = loadPreferences();
    this.transcript = new Transcript();
    this.status = byId("status", HTMLElement);
    this.statusText = byId("status-text", HTMLElement);
    this.toggle = byId("toggle", HTMLButtonElement);
    this.level = byId("level", HTMLElement);
    this.decoder = byId("decoder", HTMLElement);
    this.lost = byId("lost", HTMLElement);
    this.file = byId("file", HTMLInputElement);
    this.notices = new Notices(byId("notices", HTMLElement));
    this.captions = new CaptionView({
      list: byId("lines", HTMLElement),
      scroller: byId("captions", HTMLElement),
      announcer: byId("announcer", HTMLElement),
      toLive: byId("to-live", HTMLButtonElement),
    });
    this.emotion = new EmotionMeter(
      byId("emotion-badge", HTMLElement),
      byId("emotion-bars", HTMLElement),
    );
    this.latency = new LatencyMeter({
      lag: byId("lag", HTMLElement),
      delay: byId("delay", HTMLElement),
      stages: byId("stages", HTMLElement),
      sparkline: byId("sparkline", HTMLCanvasElement),
    });
    this.#bindSession();
    this.#bindAppearance();
    this.#bindInsight();
    this.#bindSettings();
    this.#bindSave();
    this.#setState("idle");
  }

  #bindSession() {
    this.toggle.addEventListener("click", () => {
      if (this.#state === "live") void this.#stop();
      else void this.#start((handlers) => captureMicrophone(this.preferences, handlers));
    });
    byId("file-open", HTMLButtonElement).addEventListener("click", () => this.file.click());
    this.file.addEventListener("change", () => {
      const chosen = this.file.files?.[0];
      if (chosen !== undefined) void this.#start((handlers) => captureFile(chosen, handlers));
      this.file.value = "";
    });
    byId("clear", HTMLButtonElement).addEventListener("click", () => this.#clear());
  }

  #bindAppearance() {
    const themeName = byId("theme-name", HTMLElement);
    const themeButton = byId("theme", HTMLButtonElement);
    const apply = () => {
      applyAppearance(this.preferences);
      const { theme } = this.preferences;
      themeName.textContent = theme[0].toUpperCase() + theme.slice(1);
      themeButton.setAttribute("aria-label", `Theme: ${theme}`);
      this.latency.redraw();
    };
    const change = (/** @type {object} */ changed) => {
      Object.assign(this.preferences, changed);
      savePreferences(this.preferences);
      apply();
    };
    const resize = (/** @type {number} */ step) =>
      change({ textSize: steppedTextSize(this.preferences.textSize, step) });
    byId("smaller", HTMLButtonElement).addEventListener("click", () => resize(-1));
    byId("larger", HTMLButtonElement).addEventListener("click", () => resize(1));
    themeButton.addEventListener("click", () => change({ theme: nextTheme(this.preferences.theme) }));
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
    apply();
  }

  #bindInsight() {
    const button = byId("insight-toggle", HTMLButtonElement);
    const show = (/** @type {boolean} */ closed) => {
      document.body.classList.toggle("insight-closed", closed);
      button.setAttribute("aria-expanded", String(!closed));
      this.latency.redraw();
    };
    button.addEventListener("click", () => {
      show(!document.body.classList.contains("insight-closed"));
    });
    // A small screen belongs to the captions; it shows a short form of the read-outs.
    show(window.matchMedia("(max-width: 56rem)").matches);
  }

  #bindSettings() {
    const dialog = byId("settings", HTMLDialogElement);
    const device = byId("device", HTMLSelectElement);
    const boxes = {
      echoCancellation: byId("echo", HTMLInputElement),
      noiseSuppression: byId("noise", HTMLInputElement),
      autoGainControl: byId("gain", HTMLInputElement),
    };
    const hotWords = byId("hot-words", HTMLInputElement);
    const context = byId("context", HTMLTextAreaElement);
    byId("settings-open", HTMLButtonElement).addEventListener("click", async () => {
      const options = (await listMicrophones()).map((found) => new Option(found.label, found.deviceId));
      device.replaceChildren(device.options[0], ...options);
      device.value = this.preferences.deviceId;
      if (device.selectedIndex < 0) device.value = "";
      boxes.echoCancellation.checked = this.preferences.echoCancellation;
      boxes.noiseSuppression.checked = this.preferences.noiseSuppression;
      boxes.autoGainControl.checked = this.preferences.autoGainControl;
      hotWords.value = this.preferences.hotWords;
      context.value = this.preferences.context;
      dialog.showModal();
    });
    dialog.addEventListener("close", () => {
      Object.assign(this.preferences, {
        deviceId: device.value,
        echoCancellation: boxes.echoCancellation.checked,
        noiseSuppression: boxes.noiseSuppression.checked,
        autoGainControl: boxes.autoGainControl.checked,
        hotWords: hotWords.value,
        context: context.value,
      });
      savePreferences(this.preferences);
    });
  }

  #bindSave() {
    const menu = byId("save", HTMLDetailsElement);
    for (const item of menu.querySelectorAll("button")) {
      item.addEventListener("click", () => {
        menu.open = false;
        this.#save(/** @type {keyof typeof EXPORTS} */ (item.dataset.format));
      });
    }
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.querySelector("summary")?.focus();
    });
    document.addEventListener("click", (event) => {
      if (event.target instanceof Node && !menu.contains(event.target)) menu.open = false;
    });
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
    const { context, hotWords } = this.preferences;
    const client = new StreamClient(streamAddress(window.location), {
      sampleRate: this.#sampleRate,
      context,
      hotWords: parseHotWords(hotWords),
    });
    client.addEventListener("event", ({ detail }) => this.#handle(detail));
    client.addEventListener("state", () => this.#showStatus());
    client.addEventListener("restart", () => this.#restarted());
    client.addEventListener("closed", ({ detail }) => void this.#closed(detail));
    this.#client = client;
    this.#setState("live");
  }

  async #stop() {
    if (this.#state !== "live") return;
    this.#setState("stopping");
    await this.#releaseCapture();
    this.#client?.stop();
  }

  async #releaseCapture() {
    const capture = this.#capture;
    this.#capture = null;
    await capture?.stop();
    this.level.style.setProperty("--level", "0");
  }

  #reset() {
    this.#newestChunk = null;
    this.#capturedSamples = 0;
    this.#silentMs = 0;
    this.#begun = false;
    this.#lostMs = 0;
    this.#lastShownId = -1;
    this.#behind = false;
    this.#explained = false;
    this.lost.textContent = "none";
    this.decoder.textContent = "–";
    this.decoder.removeAttribute("title");
    this.notices.dismissAll();
    this.emotion.reset();
    this.latency.reset();
  }

  /** @param {State} state */
  #setState(state) {
    this.#state = state;
    this.toggle.disabled = state === "starting" || state === "stopping";
    this.toggle.setAttribute("aria-pressed", String(state === "live"));
    byId("toggle-text", HTMLElement).textContent = BUTTON_TEXTS[state];
    byId("file-open", HTMLButtonElement).disabled = state !== "idle";
    this.#showStatus();
    this.#showEmptiness();
  }

  #showStatus() {
    const clientState = this.#client?.state;
    const connecting = clientState === "connecting" || clientState === "reconnecting";
    const behind = this.#state === "live" && this.#behind;
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
    const save = byId("save", HTMLDetailsElement);
    save.classList.toggle("disabled", empty);
    save.querySelector("summary")?.setAttribute("tabindex", empty ? "-1" : "0");
    if (empty) save.open = false;
  }

  /** @param {Chunk} chunk */
  #hear(chunk) {
    this.#newestChunk = chunk;
    this.#capturedSamples = chunk.sampleOffset + chunk.samples.length;
    this.#showLevel(chunk.samples);
    this.#client?.push(chunk);
  }

  /** @param {Float32Array} samples */
  #showLevel(samples) {
    let peak = 0;
    let energy = 0;
    for (const sample of samples) {
      peak = Math.max(peak, Math.abs(sample));
      energy += sample * sample;
    }
    const levelDb = 10 * Math.log10(energy / samples.length + 1e-9);
    const level = Math.max(0, 1 - levelDb / LEVEL_FLOOR_DB);
    this.level.style.setProperty("--level", level.toFixed(2));
    this.#watchSilence(peak, (1000 * samples.length) / this.#sampleRate);
  }

  /**
   * @param {number} peak
   * @param {number} durationMs
   */
  #watchSilence(peak, durationMs) {
    const wasSilent = this.#silentMs >= SILENCE_HINT_MS;
    this.#silentMs = peak < SILENT_PEAK ? this.#silentMs + durationMs : 0;
    const isSilent = this.#silentMs >= SILENCE_HINT_MS;
    if (isSilent && !wasSilent) {
      this.notices.show("silence", "info", "There is no sound at all. Is the microphone muted?");
    } else if (wasSilent && !isSilent) {
      this.notices.dismiss("silence");
    }
  }

  /** @param {ServerEvent} event */
  #handle(event) {
    switch (event.type) {
      case "ready":
        if (!this.#begun) this.transcript.beginSession(event.session_id);
        this.#begun = true;
        this.decoder.textContent = event.decoder === "fused" ? "draft + LLM" : "draft";
        this.decoder.title = Object.values(event.models).join(", ");
        this.#showStatus();
        break;
      case "words": {
        this.#measureDelay(event.words);
        const added = this.transcript.applyWords(event);
        const { open, tentative } = this.transcript;
        if (open !== null) this.captions.showWords(open, added, tentative);
        this.#showEmptiness();
        break;
      }
      case "segment": {
        this.#measureDelay(event.words);
        const { caption, added } = this.transcript.applySegment(event);
        this.captions.closeSegment(caption, added);
        this.#showEmptiness();
        break;
      }
      case "emotion":
        this.emotion.show(event.emotion);
        break;
      case "latency":
        this.latency.show(event);
        this.#judgeLag(event.lag_ms);
        break;
      case "decoder":
        this.decoder.textContent = event.decoder === "fused" ? "draft + LLM" : "draft, LLM paused";
        this.decoder.title = event.reason;
        break;
      case "loss":
        this.#showLoss((1000 * event.lost_samples) / SESSION_RATE, event.reason);
        break;
      case "error":
        this.#explained ||= event.fatal;
        this.notices.show(`server-${event.code}`, event.fatal ? "error" : "warning", event.message);
        break;
      case "bye":
        break;
    }
  }

  /**
   * Time from the end of a word in the air to its first appearance here, tentative or not.
   *
   * @param {WireWord[]} words
   */
  #measureDelay(words) {
    if (this.#newestChunk === null) return;
    const { captureTimeMs, sampleOffset } = this.#newestChunk;
    const sessionStartMs = captureTimeMs - (1000 * sampleOffset) / this.#sampleRate;
    const nowMs = performance.timeOrigin + performance.now();
    for (const word of words) {
      if (word.id <= this.#lastShownId) continue;
      this.#lastShownId = word.id;
      this.latency.addDelay(Math.max(0, nowMs - sessionStartMs - word.end_ms));
    }
  }

  /** @param {number} lagMs */
  #judgeLag(lagMs) {
    this.#behind = lagMs > (this.#behind ? LAG_ALL_CLEAR_MS : LAG_WARNING_MS);
    byId("lag", HTMLElement).classList.toggle("behind", this.#behind);
    this.#showStatus();
  }

  /**
   * @param {number} lostMs
   * @param {string} reason
   */
  #showLoss(lostMs, reason) {
    this.#lostMs += lostMs;
    const total = duration(this.#lostMs);
    this.lost.textContent = total;
    const cause = LOSS_CAUSES[reason] ?? reason;
    this.notices.show("loss", "warning", `${total} of sound will not be captioned: ${cause}.`);
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
    this.transcript.endSession((1000 * this.#capturedSamples) / this.#sampleRate);
    const explanation = this.#explained ? null : explainClosing(closing, asked);
    if (explanation !== null) this.notices.show("connection", "error", explanation);
    this.#setState("idle");
  }

  #clear() {
    const captions = this.transcript.clear();
    const lines = this.captions.clear();
    this.#showEmptiness();
    if (lines.length === 0) return;
    const count = lines.length === 1 ? "1 line" : `${lines.length} lines`;
    this.notices.show("cleared", "info", `Cleared ${count}.`, {
      label: "Undo",
      run: () => {
        this.transcript.restore(captions);
        this.captions.restore(lines);
        this.#showEmptiness();
      },
    });
  }

  /** @param {keyof typeof EXPORTS} format */
  #save(format) {
    const { type, write } = EXPORTS[format];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([write(this.transcript.committed())], { type }));
    link.download = `captions-${new Date().toISOString().slice(0, 16).replace(":", "-")}.${format}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
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
