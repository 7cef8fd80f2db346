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
  /** Counts what was begun to be shown: only the newest is. */
  #showing = 0;

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
    this.#texts = new Map();
    await this.#show();
  }

  /** @param {number} id of the session that is shown beside; 0 if none is */
  mark(id) {
    this.#current = id;
    for (const entry of this.list.children) this.#markEntry(entry);
  }

  /** @param {Element} entry */
  #markEntry(entry) {
    const link = entry.querySelector("a");
    if (link?.hash === `#${this.#current}`) link.setAttribute("aria-current", "true");
    else link?.removeAttribute("aria-current");
  }

  async #show() {
    this.#showing += 1;
    const [showing, sessions, texts] = [this.#showing, this.#sessions, this.#texts];
    const wanted = pattern(this.query);
    if (wanted !== null) await this.#readAll(sessions, texts);
    if (showing !== this.#showing) return; // more was typed meanwhile, or there are others now
    const entries = sessions.map((session) => entryOf(session, wanted, texts.get(session.id) ?? ""));
    const shown = entries.filter((entry) => entry !== null);
    for (const entry of shown) this.#markEntry(entry);
    this.#put(shown);
    this.deleteAll.hidden = sessions.length === 0;
    this.found.textContent = this.#tell(wanted !== null, shown.length);
  }

  /**
   * What has not changed stays as it is: it may have the focus, or be just under a click.
   *
   * @param {HTMLElement[]} entries
   */
  #put(entries) {
    entries.forEach((entry, index) => {
      const before = this.list.children.item(index);
      if (before === null) this.list.append(entry);
      else if (!before.isEqualNode(entry)) before.replaceWith(entry);
    });
    while (this.list.childElementCount > entries.length) this.list.lastElementChild?.remove();
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

  /**
   * @param {Session[]} sessions
   * @param {Map<number, string>} texts as far as they were read
   */
  async #readAll(sessions, texts) {
    for (const { id } of sessions) {
      if (texts.has(id)) continue;
      const rows = await this.store.captions(id);
      texts.set(id, rows.map(({ caption }) => joinWords(corrected(caption).words)).join(" "));
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
