// @ts-check
/** The list of sessions, and the search in all of them. */

import { corrected } from "../captions/corrections.js";
import { byId, element } from "../captions/dom.js";
import { joinWords } from "../protocol/transcript.js";
import { heldLocks } from "./recovery.js";
import { excerpt, pattern } from "./search.js";
import { lengthOf, whenOf } from "./session-facts.js";

/** @typedef {import("./search.js").Excerpt} Excerpt */
/** @typedef {import("./store.js").HistoryStore} HistoryStore */
/** @typedef {import("./store.js").Session} Session */

export class SessionList {
  /** @type {Session[]} */
  #sessions = [];
  /** @type {Map<number, string>} all that was said in each session */
  #texts = new Map();
  #current = 0;

  /** @param {HistoryStore} store */
  constructor(store) {
    this.store = store;
    this.field = byId("search", HTMLInputElement);
    this.list = byId("sessions", HTMLElement);
    this.found = byId("found", HTMLElement);
    this.deleteAll = byId("delete-all", HTMLButtonElement);
    this.field.addEventListener("input", () => void this.#show());
  }

  get sessions() {
    return this.#sessions;
  }

  get query() {
    return this.field.value;
  }

  /** Reads anew what is there. */
  async refresh() {
    const held = await heldLocks();
    const found = await this.store.sessions();
    this.#sessions = found.map((session) => ({ ...session, ended: !held.includes(session.lock) }));
    this.#texts.clear();
    await this.#show();
  }

  /** @param {number} id of the session that is shown beside; 0 if none is */
  mark(id) {
    this.#current = id;
    for (const link of this.list.querySelectorAll("a")) {
      if (link.hash === `#${id}`) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  async #show() {
    const { query } = this;
    const wanted = pattern(query);
    if (wanted !== null) await this.#readAll();
    if (query !== this.query) return; // more was typed meanwhile
    const entries = this.#sessions.map((session) => entryOf(session, wanted, this.#texts.get(session.id) ?? ""));
    const shown = entries.filter((entry) => entry !== null);
    this.list.replaceChildren(...shown);
    this.deleteAll.hidden = this.#sessions.length === 0;
    this.found.textContent = this.#tell(wanted !== null, shown.length);
    this.mark(this.#current);
  }

  /**
   * @param {boolean} isSearch
   * @param {number} count
   */
  #tell(isSearch, count) {
    if (this.#sessions.length === 0) return "Nothing is kept yet. What you caption will be here.";
    if (!isSearch) return "";
    return count === 1 ? "Said in 1 session." : `Said in ${count === 0 ? "none" : count} of the sessions.`;
  }

  async #readAll() {
    for (const { id } of this.#sessions) {
      if (this.#texts.has(id)) continue;
      const rows = await this.store.captions(id);
      this.#texts.set(id, rows.map(({ caption }) => joinWords(corrected(caption).words)).join(" "));
    }
  }
}

/**
 * @param {Session} session
 * @param {RegExp | null} wanted
 * @param {string} text all that was said in it
 * @returns {HTMLElement | null} null if it does not hold what is wanted
 */
function entryOf(session, wanted, text) {
  const found = wanted === null ? null : excerpt(text, wanted);
  if (wanted !== null && found === null && !wanted.test(session.title)) return null;
  const words = element("span", "words", found === null ? session.firstWords : "");
  if (found !== null) words.append(found.before, element("mark", "", found.match), found.after);
  const link = document.createElement("a");
  link.href = `#${session.id}`;
  link.append(
    element("span", "title", session.title),
    element("span", "when", `${whenOf(session)} · ${session.ended ? lengthOf(session.durationMs) : "now"}`),
    words,
  );
  const entry = element("li", "");
  entry.append(link);
  return entry;
}
