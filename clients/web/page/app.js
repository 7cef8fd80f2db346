// @ts-check
/** The caption page: wires audio source, session, transcript and views together. */

import { Appearance } from "./reading/appearance.js";
import { CaptionView } from "../captions/captions.js";
import { CaptureError } from "../audio/capture.js";
import { StreamClient, streamAddress } from "../protocol/client.js";
import { Controls } from "./controls.js";
import { byId } from "../captions/dom.js";
import { EmotionSetting } from "./emotion-setting.js";
import { MICROPHONE_GONE, SIDE_GONE, explainEnding } from "./status/ending.js";
import { FileProgress } from "../history/file-progress.js";
import { FileReading, readFile } from "../audio/file-reader.js";
import { HistorySettings } from "../history/settings.js";
import { Insight } from "./details/insight.js";
import { Keeping, usualTitle } from "../history/keeping.js";
import { Names } from "../captions/names.js";
import { LevelMeter } from "../audio/level.js";
import { MyVoice } from "./my-voice.js";
import { Notices } from "./notices.js";
import { hotWordsOf, loadPreferences, microphoneOptions, startOptions } from "./preferences.js";
import { Recording } from "../audio/recording.js";
import { SaveMenu } from "./save-menu.js";
import { SessionWatch } from "./status/session-watch.js";
import { bindSettings } from "./settings.js";
import { ShareDialog } from "./share.js";
import { ShownDelay } from "./status/shown-delay.js";
import { Spoken } from "../captions/spoken.js";
import { StatusView } from "./status/status-view.js";
import { Strip } from "./status/strip.js";
import { Summary } from "./status/summary.js";
import { TokenKeeper } from "./token.js";
import { captureFile, captureMicrophone, captureTab } from "../audio/sources.js";
import { captureSides } from "../audio/two-sides.js";
import { ClockTrack } from "../protocol/clock-track.js";
import { Transcript } from "../protocol/transcript.js";
import { ScreenWake } from "./wake.js";
import { WordDetail } from "../captions/word-detail.js";

/** @typedef {import("../audio/capture.js").HeardChunk} HeardChunk */
/** @typedef {import("../audio/capture.js").RunningSource} RunningSource */
/** @typedef {import("../audio/two-sides.js").SidesHandlers} SidesHandlers */
/** @typedef {import("../protocol/client.js").Closing} Closing */
/** @typedef {import("../protocol/client.js").ServerEvent} ServerEvent */
/** @typedef {import("../protocol/client.js").WireWord} WireWord */
/** @typedef {import("./status/conditions.js").Phase} Phase */
/** @typedef {import("./status/conditions.js").Source} Source */
/** @typedef {(handlers: SidesHandlers) => Promise<RunningSource>} OpenSource */

/** The server leaves those from whom it hears nothing for a minute. */
const PAUSE_BEAT_MS = 20_000;

const UNAUTHORIZED = 4401;

class CaptionPage {
  /** @type {Phase} */
  #phase = "idle";
  /** @type {RunningSource | null} */
  #capture = null;
  /** @type {FileProgress | null} of a file that is read, not played */
  #progress = null;
  /** @type {StreamClient | null} */
  #client = null;
  /** @type {HeardChunk | null} */
  #newestChunk = null;
  #sampleRate = 1;
  #begun = false;
  /** Why the session ends, where that is known before it does. */
  #ending = "";
  #pauseBeat = 0;
  /** Starts again what was started last. */
  #again = () => {};

  constructor() {
    this.preferences = loadPreferences();
    this.transcript = new Transcript();
    this.names = new Names();
    this.recording = new Recording();
    this.history = new HistorySettings();
    this.token = new TokenKeeper();
    this.controls = new Controls({
      toggle: () => (this.#phase === "idle" ? this.#startMicrophone() : void this.#stop()),
      file: (file) => void this.#start("file", (handlers) => captureFile(file, handlers), file.name),
      read: (file) => void this.#start("recording", (handlers) => readFile(file, handlers), file.name),
      tab: () => void this.#start("tab", captureTab),
      sides: () => void this.#start("sides", (handlers) => captureSides(this.#microphone, handlers)),
      pause: () => void (this.#phase === "paused" ? this.#resume() : this.#pause()),
      clear: () => this.#clear(),
    });
    this.notices = new Notices(byId("notices", HTMLElement));
    this.share = new ShareDialog(this.preferences, this.token);
    this.wake = new ScreenWake();
    this.captions = new CaptionView({
      list: byId("lines", HTMLElement),
      scroller: byId("captions", HTMLElement),
      announcer: byId("announcer", HTMLElement),
      toLive: byId("to-live", HTMLButtonElement),
    });
    this.spoken = new Spoken(this.transcript, this.names, this.captions);
    this.wordDetail = new WordDetail(byId("word-detail", HTMLElement), this.captions);
    const statusView = new StatusView(() => this.preferences.vibrate);
    this.watch = new SessionWatch((condition, facts) => statusView.show(condition, facts));
    this.level = new LevelMeter(byId("level", HTMLElement), (silentMs) => this.watch.setSilence(silentMs));
    this.summary = new Summary();
    this.delay = new ShownDelay();
    this.insight = new Insight(this.preferences);
    this.strip = new Strip(this.preferences);
    this.emotion = new EmotionSetting(this.preferences, (shown) => {
      this.captions.emotionShown = shown;
      this.summary.showFeeling(shown);
      this.share.redraw();
      this.insight.redraw();
      this.strip.redraw();
    });
    this.save = new SaveMenu(this);
    this.voice = new MyVoice(this.preferences, this.token, this.recording);
    const [hotWords, shown] = [hotWordsOf(this.preferences), () => this.#showEmptiness()];
    this.keeping = new Keeping({ ...this, hotWords, shown });
    new Appearance(this.preferences, () => {
      this.insight.redraw();
      this.strip.redraw();
    });
    bindSettings(this.preferences);
    byId("insecure", HTMLElement).hidden = window.isSecureContext;
    this.#setPhase("idle");
  }

  get #microphone() {
    return microphoneOptions(this.preferences);
  }

  #startMicrophone() {
    void this.#start("microphone", (handlers) => captureMicrophone(this.#microphone, handlers));
  }

  /**
   * @param {Source} source
   * @param {OpenSource} openSource
   * @param {string} title of the session
   */
  async #start(source, openSource, title = usualTitle(new Date())) {
    if (this.#phase !== "idle") return;
    this.#again = () => void this.#start(source, openSource, title);
    this.#reset();
    this.watch.begin(source);
    this.#setPhase("starting");
    try {
      this.#capture = await openSource({
        onChunk: (chunk) => this.#hear(chunk),
        onEnded: () => this.#sourceEnded(source),
        onSideEnded: (channel) => this.notices.show("side", "warning", SIDE_GONE[channel]),
        onMuted: (isMuted) => this.watch.setMuted(isMuted),
      });
    } catch (error) {
      this.#setPhase("idle");
      const known = error instanceof CaptureError;
      this.notices.show("source", "error", known ? error.message : `The sound could not be opened (${error}).`);
      return;
    }
    // The first chunks arrive from here on; the client keeps them until the server is ready.
    this.#sampleRate = this.#capture.sampleRate;
    const isRead = source === "recording";
    const wanted = startOptions(this.preferences, this.#sampleRate, source);
    this.names.known = wanted.knownVoices === undefined ? [] : [this.voice.name];
    this.captions.expectNames(wanted.channels === 2 || wanted.speakers !== undefined);
    const client = new StreamClient(streamAddress(this.token.location), wanted);
    client.addEventListener("event", ({ detail }) => this.#handle(detail));
    client.addEventListener("restart", () => this.#restarted());
    client.addEventListener("closed", ({ detail }) => void this.#closed(detail));
    this.#client = client;
    this.keeping.begin(client, title, !isRead);
    if (isRead) this.#progress = new FileProgress(this.notices.container, title);
    this.watch.follow(client);
    this.#setPhase("live");
  }

  /** @param {Source} source */
  #sourceEnded(source) {
    if (source === "microphone") this.#ending = MICROPHONE_GONE;
    void this.#stop();
  }

  async #stop() {
    if (this.#phase !== "live" && this.#phase !== "paused") return;
    this.#setPhase("stopping");
    await this.#releaseCapture();
    // Who has no place yet need not wait for one to say that nothing more comes.
    if (this.#client?.state === "full" && !this.#begun) this.#client.close();
    else this.#client?.stop();
  }

  /** Nothing is heard until `#resume`; what was said so far becomes final. */
  async #pause() {
    if (this.#phase !== "live") return;
    this.#setPhase("paused");
    this.#pauseBeat = setInterval(() => this.#client?.finalize(), PAUSE_BEAT_MS);
    await this.#capture?.pause();
    this.level.reset();
    this.#client?.finalize();
  }

  async #resume() {
    this.#setPhase("live");
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
    this.#ending = "";
    this.transcript.clock = new ClockTrack();
    this.notices.dismissAll();
    this.level.reset();
    this.delay.reset();
    this.summary.reset();
    this.insight.reset();
  }

  /** @param {Phase} phase */
  #setPhase(phase) {
    this.#phase = phase;
    if (phase !== "paused") clearInterval(this.#pauseBeat);
    this.wake.keep(phase === "live");
    this.controls.show(phase);
    this.watch.setPhase(phase);
    this.#showEmptiness();
  }

  #showEmptiness() {
    const empty = byId("lines", HTMLElement).childElementCount === 0;
    byId("welcome", HTMLElement).hidden = !empty || this.#phase !== "idle";
    this.controls.clear.disabled = empty;
    this.save.update();
  }

  /** @param {HeardChunk} chunk */
  #hear(chunk) {
    const { sides = [chunk.samples] } = chunk;
    this.#newestChunk = chunk;
    this.level.hear(sides, this.#sampleRate, this.watch.isConnected);
    this.watch.hear(chunk, this.#sampleRate);
    this.recording.add(chunk.samples, this.#sampleRate);
    this.transcript.clock.observe((1000 * chunk.sampleOffset) / this.#sampleRate, chunk.captureTimeMs);
    this.keeping.hear(chunk);
    this.#client?.push({ ...chunk, samples: sides });
  }

  /** @param {ServerEvent} event */
  #handle(event) {
    this.insight.handle(event);
    this.summary.handle(event);
    switch (event.type) {
      case "ready":
        if (!this.#begun) this.transcript.beginSession(event.session_id);
        this.names.beginSession(event.channels ?? 1);
        this.#begun = true;
        if (event.follow_id) this.share.follow(event.follow_id);
        break;
      case "words":
      case "segment":
        this.#measureDelay(event.words);
      // falls through
      case "speakers":
      case "sound":
        this.spoken.handle(event);
        this.#showEmptiness();
        break;
      case "latency":
        if (this.#capture instanceof FileReading) this.#advance(this.#capture, event.processed_ms);
        else this.summary.showBehind(Math.max(event.lag_ms, this.delay.typicalMs));
        break;
      case "loss":
        this.notices.showLoss(this.insight.lostMs, event.reason);
        break;
      case "error":
        if (event.fatal) this.#ending = event.message;
        else this.notices.show(`server-${event.code}`, "warning", event.message);
        break;
    }
  }

  /**
   * @param {FileReading} reading
   * @param {number} processedMs
   */
  #advance(reading, processedMs) {
    this.#progress?.show(processedMs / reading.durationMs);
    reading.advance(processedMs);
  }

  /** @param {WireWord[]} words that are shown now */
  #measureDelay(words) {
    this.insight.addDelays(this.delay.measure(words, this.#newestChunk, this.#sampleRate));
  }

  /** The server had lost the session: what was committed stays, what was guessed is said again. */
  #restarted() {
    this.captions.dropTentative();
    this.transcript.interrupt();
  }

  /** @param {Closing} closing */
  async #closed(closing) {
    const asked = this.#phase === "stopping";
    this.#setPhase("stopping");
    this.#client = null;
    await this.#releaseCapture();
    this.#progress?.remove();
    this.#progress = null;
    this.captions.dropTentative();
    const { sampleOffset, samples } = this.#newestChunk ?? { sampleOffset: 0, samples: [] };
    this.transcript.endSession((1000 * (sampleOffset + samples.length)) / this.#sampleRate);
    await this.keeping.end(closing.saidBye);
    // Pages from elsewhere are refused with the same code.
    const lacksToken = closing.code === UNAUTHORIZED && /token/.test(this.#ending);
    if (!lacksToken) this.watch.end(this.#ending || explainEnding(closing, asked));
    this.#setPhase("idle");
    if (lacksToken) this.token.ask(this.#again);
  }

  #clear() {
    const captions = this.transcript.clear();
    const lines = this.captions.clear();
    const sound = this.recording.clear();
    this.wordDetail.hide();
    this.#showEmptiness();
    if (lines.length === 0) return;
    const count = lines.length === 1 ? "1 line" : `${lines.length} lines`;
    const kept = this.history.keep ? " The history has them." : "";
    this.notices.show("cleared", "info", `Cleared ${count}, and the sound.${kept}`, {
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

new CaptionPage();
