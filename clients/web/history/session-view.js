// @ts-check
/** One session of the history: what was said, and what can be done with it. */

import { toWav } from "../audio/recording.js";
import { CaptionView } from "../captions/captions.js";
import { corrected } from "../captions/corrections.js";
import { byId, clock, download } from "../captions/dom.js";
import { TEXT_FORMATS, toText } from "../captions/exports.js";
import { Names } from "../captions/names.js";
import { Renaming } from "../captions/renaming.js";
import { WordDetail } from "../captions/word-detail.js";
import { joinWords } from "../protocol/transcript.js";
import { Correcting } from "./correcting.js";
import { moved } from "./kept-session.js";
import { pattern } from "./search.js";
import { factsOf } from "./session-facts.js";

/** @typedef {import("../captions/emotion-shown.js").EmotionShown} EmotionShown */
/** @typedef {import("../protocol/transcript.js").Caption} Caption */
/** @typedef {import("../protocol/transcript.js").Correction} Correction */
/** @typedef {import("./ask.js").Ask} Ask */
/** @typedef {import("./store.js").HistoryStore} HistoryStore */
/** @typedef {import("./store.js").Session} Session */

export class SessionView {
  /** @type {Session | null} */
  #session = null;
  /** @type {{index: number, caption: Caption}[]} */
  #rows = [];
  #names = new Names();

  /**
   * @param {HistoryStore} store
   * @param {Ask} ask
   * @param {EmotionShown} shown of the voice
   * @param {() => void} onChange the session was renamed, corrected or deleted
   */
  constructor(store, ask, shown, onChange) {
    this.store = store;
    this.ask = ask;
    this.shown = shown;
    this.onChange = onChange;
    this.section = byId("session", HTMLElement);
    this.title = byId("title", HTMLElement);
    this.facts = byId("facts", HTMLElement);
    this.told = byId("told", HTMLElement);
    this.menu = byId("download", HTMLDetailsElement);
    this.captions = new CaptionView({
      list: byId("lines", HTMLElement),
      scroller: byId("captions", HTMLElement),
      announcer: document.createElement("div"), // nothing comes by itself
      toLive: document.createElement("button"),
    });
    this.captions.emotionShown = shown;
    this.captions.showClock(true);
    const detail = new WordDetail(byId("word-detail", HTMLElement), this.captions);
    new Correcting(this.captions, detail, { note: (caption, event) => void this.#note(caption, event) });
    new Renaming(this.captions, this.#names, (captions) => void this.#keepNames(captions));
    byId("rename", HTMLButtonElement).addEventListener("click", () => void this.#rename());
    byId("copy", HTMLButtonElement).addEventListener("click", () => void this.#copy());
    byId("delete", HTMLButtonElement).addEventListener("click", () => void this.#delete());
    this.#bindMenu();
  }

  /**
   * @param {Session | null} session
   * @param {string} query what it was found by: it is shown from there on
   */
  async show(session, query) {
    this.#session = session;
    this.section.hidden = session === null;
    this.captions.clear();
    this.title.textContent = session?.title ?? "";
    this.facts.textContent = this.told.textContent = "";
    const rows = session === null ? [] : await this.store.captions(session.id);
    // Another one may have been chosen meanwhile.
    if (this.#session !== session || this.captions.list.childElementCount > 0) return;
    rows.sort((a, b) => a.caption.startMs - b.caption.startMs);
    this.#rows = rows;
    this.#names.goOn(rows.map(({ caption }) => caption));
    for (const { caption } of rows) {
      this.captions.closeSegment(caption, caption.words);
      this.captions.showCorrections(caption);
    }
    this.#tellFacts();
    const wanted = pattern(query);
    const at = wanted === null ? 0 : rows.findIndex(({ caption }) => wanted.test(textOf(caption)));
    this.captions.readFrom(Math.max(0, at));
  }

  #tellFacts() {
    if (this.#session === null) return;
    const count = this.#rows.reduce((sum, { caption }) => sum + (caption.corrections?.length ?? 0), 0);
    this.facts.textContent = factsOf(this.#session, count);
    const wav = /** @type {HTMLButtonElement | null} */ (this.menu.querySelector("[data-format=wav]"));
    if (wav !== null) wav.disabled = this.#session.soundToMs <= this.#session.soundFromMs;
  }

  get #captions() {
    return this.#rows.map(({ caption }) => caption);
  }

  /**
   * @param {Caption} caption
   * @param {Correction} event
   */
  async #note(caption, event) {
    const row = this.#rows.find((each) => each.caption === caption);
    if (this.#session === null || row === undefined) return;
    await this.store.note(this.#session.id, row.index, event);
    this.#tellFacts();
    this.told.textContent = event.type === "report" ? "Kept with the session: a word is reported." : "Corrected.";
    this.onChange();
  }

  /** @param {Caption[]} captions whose voice has another name now */
  async #keepNames(captions) {
    const session = this.#session;
    if (session === null) return;
    const changed = this.#rows.filter(({ caption }) => captions.includes(caption));
    const rows = changed.map(({ index, caption }) => ({ session: session.id, index, caption: moved(caption, 0) }));
    await this.store.save(session.id, {}, rows, []);
    this.told.textContent = "Renamed.";
  }

  async #rename() {
    const session = this.#session;
    if (session === null) return;
    const title = await this.ask.ask({ title: "Rename", hint: "", yes: "Rename", text: session.title });
    if (!title) return;
    await this.store.rename(session.id, title);
    session.title = this.title.textContent = title;
    this.onChange();
  }

  async #delete() {
    const session = this.#session;
    if (session === null) return;
    const question = { title: `Delete “${session.title}”?`, hint: "Its text and its sound are gone for good then.", yes: "Delete" };
    if ((await this.ask.ask(question)) === null) return;
    await this.store.remove([session.id]);
    this.onChange();
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(toText(this.#captions, true));
      this.told.textContent = "Copied.";
    } catch {
      // Pages that are not secure, and browsers that were told so, have no clipboard.
      this.told.textContent = "The browser does not let the page copy. Download the text.";
    }
  }

  #bindMenu() {
    for (const item of this.menu.querySelectorAll("button")) {
      item.addEventListener("click", () => {
        this.menu.open = false;
        this.menu.querySelector("summary")?.focus();
        void this.#download(item.dataset.format ?? "");
      });
    }
    this.menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.menu.open) return;
      this.menu.open = false;
      this.menu.querySelector("summary")?.focus();
    });
    document.addEventListener("click", ({ target }) => {
      if (target instanceof Node && !this.menu.contains(target)) this.menu.open = false;
    });
  }

  /** @param {string} format */
  async #download(format) {
    const session = this.#session;
    if (session === null) return;
    const when = new Date(session.startedAtMs);
    if (format === "wav") {
      const sound = await this.store.sound(session);
      download(toWav(sound), "wav", when);
      if (sound.startMs > 0) this.told.textContent = `The sound begins at ${clock(sound.startMs)} of the captions.`;
      return;
    }
    const { type, write } = TEXT_FORMATS[/** @type {keyof typeof TEXT_FORMATS} */ (format)];
    download(new Blob([write(this.#captions, { shown: this.shown, isTimed: true })], { type }), format, when);
  }
}

/** @param {Caption} caption */
function textOf(caption) {
  return joinWords(corrected(caption).words);
}
