// @ts-check
/** The caption page's side of the history: keeps its sessions, gives back what a crash took,
 *  corrects words. */

import { byId, timeOfDay } from "../captions/dom.js";
import { Renaming } from "../captions/renaming.js";
import { Correcting } from "./correcting.js";
import { ExpectedWords } from "./expected-words.js";
import { KeptSession, moved } from "./kept-session.js";
import { recover } from "./recovery.js";
import { SOUND_MINUTES } from "./settings.js";
import { HistoryStore } from "./store.js";

/** @typedef {import("../audio/recording.js").Recording} Recording */
/** @typedef {import("../captions/captions.js").CaptionView} CaptionView */
/** @typedef {import("../captions/names.js").Names} Names */
/** @typedef {import("../captions/word-detail.js").WordDetail} WordDetail */
/** @typedef {import("../protocol/client.js").Chunk} Chunk */
/** @typedef {import("../protocol/client.js").ServerEvent} ServerEvent */
/** @typedef {import("../protocol/client.js").ServerLocation} ServerLocation */
/** @typedef {import("../protocol/client.js").StreamClient} StreamClient */
/** @typedef {import("../protocol/transcript.js").Caption} Caption */
/** @typedef {import("../protocol/transcript.js").Correction} Correction */
/** @typedef {import("../protocol/transcript.js").Transcript} Transcript */
/** @typedef {import("./expected-words.js").Action} Action */
/** @typedef {import("./kept-session.js").Trouble} Trouble */
/** @typedef {import("./settings.js").HistorySettings} HistorySettings */
/** @typedef {import("./store.js").Session} Session */

/**
 * Of the page, what is needed here. `shown` is called when lines have come or gone.
 *
 * @typedef {{transcript: Transcript, captions: CaptionView, names: Names, wordDetail: WordDetail,
 *   recording: Recording, history: HistorySettings, token: {location: ServerLocation},
 *   voice: {name: string, claim: (captions: Caption[]) => Promise<string>},
 *   shown: () => void,
 *   hotWords: {list: () => string[], add: (words: string[]) => void},
 *   notices: {show: (key: string, severity: "error" | "warning" | "info", message: string, action?: Action | null) => void}
 * }} CaptionPage
 */

/** @type {Record<Trouble, string>} */
const TROUBLES = {
  "less-sound": "The history is full: its oldest sound was deleted to make room. No text was.",
  "no-sound": "The history is full: sound is not kept any more, text still is. Delete sessions there to make room.",
  nothing: "This session is not kept in the history any more: the browser refused. Save it as a file.",
};

/** A person who wants to start again waits no longer. */
const LONGEST_WRITE_MS = 5_000;

export class Keeping {
  /** @type {Promise<HistoryStore | null> | null} not opened where nothing is kept */
  #opened = null;
  /** @type {KeptSession[]} of this page, the newest last */
  #kept = [];
  /** @type {KeptSession | null} */
  #session = null;
  /** @type {StreamClient | null} */
  #client = null;
  /** @type {WeakMap<Caption, {session: number, index: number}>} those from before the reload */
  #recovered = new WeakMap();

  /** @param {CaptionPage} page */
  constructor(page) {
    this.page = page;
    this.expected = new ExpectedWords(page.notices, page.hotWords);
    new Correcting(page.captions, page.wordDetail, {
      note: (caption, event) => void this.#note(caption, event),
      expect: (words) => this.expected.expect(words),
      offer: (words) => this.expected.offer(words),
    });
    new Renaming(page.captions, page.names, (captions) => void this.#keepNames(captions), {
      get name() {
        return page.voice.name;
      },
      claim: (captions) => void this.#claim(captions),
    });
    this.#bindSettings();
    if (page.history.keep) void this.#recover();
    window.addEventListener("beforeunload", (event) => {
      if (this.#client === null) return;
      event.preventDefault();
      void this.#session?.flush();
    });
    // Whoever leaves stops; the page that comes back asks for the last words.
    window.addEventListener("pagehide", () => {
      this.#client?.stop();
    });
  }

  /** @returns {Promise<HistoryStore | null>} null where the browser keeps nothing */
  get #store() {
    return (this.#opened ??= HistoryStore.open().catch(() => null));
  }

  /**
   * @param {StreamClient} client of a session that begins
   * @param {string} title
   * @param {boolean} keepsSound
   */
  begin(client, title, keepsSound) {
    this.#client = client;
    this.expected.begin(client);
    const { history } = this.page;
    if (!history.keep) return;
    // Without it the browser may throw the history away when the device fills up.
    void navigator.storage?.persist?.().catch(() => false);
    const { soundMinutes } = history;
    const options = { title, sampleRate: client.sampleRate, soundMinutes, keepsSound };
    const session = new KeptSession(this.#store, options, (trouble) => this.#tell(trouble));
    this.#session = session;
    this.#kept.push(session);
    let mayResume = true;
    client.addEventListener("event", ({ detail }) => {
      if (detail.type === "ready" && mayResume && detail.resume_token) {
        const { session_id: sessionId, resume_token: resumeToken, resume_ms: resumeMs = 0 } = detail;
        session.resume = { sessionId, resumeToken, resumeMs, lastSeq: session.resume?.lastSeq ?? 0 };
      }
      this.#follow(session, detail);
    });
    client.addEventListener("restart", () => {
      // What follows is of a session whose ids are not those that are kept.
      mayResume = false;
      session.resume = null;
    });
  }

  /** @param {Chunk} chunk */
  hear(chunk) {
    this.#session?.hear(chunk);
  }

  /**
   * The page has applied the event.
   *
   * @param {KeptSession} session
   * @param {ServerEvent} event
   */
  #follow(session, event) {
    const { transcript } = this.page;
    if (session.resume !== null && "seq" in event && event.seq) session.resume.lastSeq = event.seq;
    if (event.type === "words" && event.words.some((word) => word.state !== "tentative")) {
      const open = transcript.openIn(event.channel ?? 0);
      if (open !== null) session.keep(open, transcript.baseMs);
    }
    const heard = event.type === "sound" ? transcript.applySound(event) : null;
    if (heard !== null) session.keep(heard, transcript.baseMs);
    if (event.type !== "segment" && event.type !== "speakers") return;
    const last = transcript.captions.at(-1);
    if (event.type === "segment" && event.words.length > 0 && last !== undefined) {
      session.keep(last, transcript.baseMs);
    }
    // Somebody else said the words behind it, or those before.
    const open = transcript.openIn(event.channel ?? 0);
    if (open !== null) session.keep(open, transcript.baseMs);
  }

  /**
   * Until it is over, whoever leaves is warned.
   *
   * @param {boolean} isComplete whether the server has heard all
   * @returns {Promise<void>} when all is written, or a device takes too long for that
   */
  async end(isComplete) {
    const tooLong = new Promise((resolve) => setTimeout(resolve, LONGEST_WRITE_MS));
    await Promise.race([this.#session?.end(isComplete), tooLong]);
    this.#client = this.#session = this.expected.client = null;
  }

  /**
   * @param {Caption} caption
   * @param {Correction} event
   */
  async #note(caption, event) {
    const recovered = this.#recovered.get(caption);
    if (recovered !== undefined) {
      await (await this.#store)?.note(recovered.session, recovered.index, event);
      return;
    }
    for (const session of this.#kept) {
      if (await session.note(caption, event)) return;
    }
  }

  /** @param {Caption[]} captions whose voice has another name now */
  async #keepNames(captions) {
    for (const session of this.#kept) session.keepAgain(captions);
    for (const caption of captions) {
      const { session, index } = this.#recovered.get(caption) ?? { session: 0, index: 0 };
      if (session > 0) await (await this.#store)?.save(session, {}, [{ session, index, caption: moved(caption, 0) }], []);
    }
  }

  /** @param {Caption[]} captions that the person has said */
  async #claim(captions) {
    this.page.notices.show("voice", "info", await this.page.voice.claim(captions));
  }

  /** @param {Trouble} trouble */
  #tell(trouble) {
    this.page.notices.show("history", "warning", TROUBLES[trouble]);
  }

  async #recover() {
    const store = await this.#store;
    const session = store === null ? null : await recover(store, this.page.token.location).catch(() => null);
    if (store === null || session === null || this.#client !== null) return;
    const lines = session.lines === 1 ? "1 line" : `${session.lines} lines`;
    const title = session.title.replace(/^Meeting of /, "meeting of ");
    this.page.notices.show("recovered", "info", `Recovered: ${title}, ${lines}.`, {
      label: "Show",
      run: () => void this.#show(store, session),
    });
  }

  /**
   * Puts what was said before back on the page.
   *
   * @param {HistoryStore} store
   * @param {Session} session
   */
  async #show(store, session) {
    const { transcript, captions, recording } = this.page;
    if (this.#client !== null) return;
    const rows = await store.captions(session.id);
    for (const { index, caption } of rows) {
      this.#recovered.set(caption, { session: session.id, index });
      captions.closeSegment(caption, caption.words);
      captions.showCorrections(caption);
    }
    transcript.restore(rows.map(({ caption }) => caption));
    transcript.endSession(session.durationMs);
    if (recording.isEmpty) recording.startAt(session.durationMs);
    this.page.shown();
  }

  #bindSettings() {
    const { history, captions } = this.page;
    const keep = byId("history-keep", HTMLInputElement);
    const minutes = byId("history-sound", HTMLSelectElement);
    const clock = byId("history-clock", HTMLInputElement);
    const show = () => {
      keep.checked = history.keep;
      minutes.value = String(history.soundMinutes);
      clock.checked = history.clockTimes;
      captions.showClock(history.clockTimes);
    };
    minutes.replaceChildren(...SOUND_MINUTES.map((each) => new Option(soundName(each), String(each))));
    for (const control of [keep, minutes, clock]) {
      control.addEventListener("change", () => {
        history.keep = keep.checked;
        history.soundMinutes = Number(minutes.value);
        history.clockTimes = clock.checked;
        history.save();
        show();
      });
    }
    window.addEventListener("storage", () => (history.reload(), show()));
    show();
  }
}

/** @param {number} minutes */
function soundName(minutes) {
  if (minutes === 0) return "None";
  // 16 bit at 48 kHz.
  return `The newest ${minutes} min, ${Math.round(minutes * 5.76)} MB at most`;
}

/**
 * @param {Date} when
 * @returns {string} the name of a session that nobody has named
 */
export function usualTitle(when) {
  return `Meeting of ${timeOfDay(when.getTime()).slice(0, 5)}`;
}
