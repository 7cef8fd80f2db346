// @ts-check
/** The history page: what was captioned in this browser, `/history#ID` one session of it. */

import { isEmotionShown } from "../captions/emotion-shown.js";
import { byId } from "../captions/dom.js";
import { Ask } from "../history/ask.js";
import { SessionList } from "../history/session-list.js";
import { SessionView } from "../history/session-view.js";
import { HistoryStore } from "../history/store.js";
import { loadPreferences } from "./preferences.js";
import { applyReading } from "./reading/reading.js";

class HistoryPage {
  /**
   * @param {HistoryStore} store
   * @param {import("./preferences.js").Preferences} preferences
   */
  constructor(store, preferences) {
    const { emotionShown } = preferences;
    const shown = isEmotionShown(emotionShown) ? emotionShown : "subtle";
    document.documentElement.dataset.emotionShown = shown;
    this.store = store;
    this.ask = new Ask();
    this.list = new SessionList(store);
    this.view = new SessionView(store, this.ask, shown, () => void this.#changed());
    this.list.deleteAll.addEventListener("click", () => void this.#deleteAll());
    window.addEventListener("hashchange", () => void this.#show(true));
    // Another tab may caption meanwhile.
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") void this.list.refresh();
    });
  }

  async open() {
    await this.list.refresh();
    await this.#show(false);
  }

  /** @param {boolean} byPerson whether the focus goes along */
  async #show(byPerson) {
    const id = Number(window.location.hash.slice(1));
    const session = this.list.sessions.find((each) => each.id === id) ?? null;
    this.list.mark(session?.id ?? 0);
    await this.view.show(session, this.list.query);
    if (byPerson) (session === null ? this.list.field : this.view.title).focus();
  }

  async #changed() {
    await this.list.refresh();
    const isThere = this.list.sessions.some(({ id }) => `#${id}` === window.location.hash);
    if (!isThere) window.location.hash = "";
  }

  async #deleteAll() {
    const count = this.list.sessions.length;
    const all = count === 1 ? "the session" : `all ${count} sessions`;
    const hint = "Text and sound, of this device. Files that you downloaded stay.";
    if ((await this.ask.ask({ title: `Delete ${all}?`, hint, yes: "Delete all…" })) === null) return;
    const last = { title: "Really delete all?", hint: "There is no way back.", yes: "Delete all for good" };
    if ((await this.ask.ask(last)) === null) return;
    await this.store.remove((await this.store.sessions()).map(({ id }) => id));
    await this.#changed();
  }
}

const preferences = loadPreferences();
applyReading({ ...preferences, lines: 0 }, document.documentElement);
try {
  await new HistoryPage(await HistoryStore.open(), preferences).open();
} catch (error) {
  byId("found", HTMLElement).textContent = `This browser keeps no history here (${error}).`;
}
