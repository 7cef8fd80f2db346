// @ts-check
/** Lets a person correct or report committed words, by a click or with Enter at a chosen word. */

import { bare, correctionOf, newWords, textOf, units } from "../captions/corrections.js";
import { WordActions } from "./word-actions.js";

/** @typedef {import("../captions/captions.js").CaptionView} CaptionView */
/** @typedef {import("../captions/corrections.js").Unit} Unit */
/** @typedef {import("../captions/word-detail.js").WordDetail} WordDetail */
/** @typedef {import("../protocol/transcript.js").Caption} Caption */
/** @typedef {import("../protocol/transcript.js").Correction} Correction */

/**
 * `note` keeps an event that is part of its caption by now. `expect` is told of words that should
 * be expected, `offer` of those that a correction brought; both are missing where nobody listens.
 *
 * @typedef {{note: (caption: Caption, event: Correction) => void,
 *   expect?: (words: string[]) => void, offer?: (words: string[]) => void}} CorrectingHooks
 */

/** Words by their ids, for they may become another line's meanwhile; `node` shows one of them.
 *
 * @typedef {{node: HTMLElement, ids: Set<number>}} Chosen */

export class Correcting {
  /** @type {Chosen | null} */
  #chosen = null;

  /**
   * @param {CaptionView} view
   * @param {WordDetail} detail
   * @param {CorrectingHooks} hooks
   */
  constructor(view, detail, hooks) {
    this.view = view;
    this.hooks = hooks;
    this.actions = new WordActions(view.scroller.closest("main") ?? document.body);
    view.scroller.addEventListener("click", (event) => this.#click(event));
    view.scroller.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.actions.close();
      if (event.key !== "Enter" || detail.word === null) return;
      event.preventDefault();
      this.#choose(detail.word);
      this.actions.focus();
    });
    document.addEventListener("pointerdown", ({ target }) => {
      const inside = target instanceof Node && [view.scroller, this.actions.box].some((node) => node.contains(target));
      if (!inside) this.actions.close();
    });
  }

  /** @param {MouseEvent} event */
  #click({ target, shiftKey }) {
    if (!(target instanceof HTMLElement) || this.view.wordAt(target) === undefined) {
      this.actions.close();
    } else if (shiftKey && this.#caption !== undefined && this.view.captionAt(target) === this.#caption) {
      this.#widenTo(target);
    } else {
      this.#choose(target);
    }
  }

  /** @param {HTMLElement} node of a word */
  #choose(node) {
    const id = this.view.wordAt(node)?.id;
    if (id === undefined) return;
    this.#chosen = { node, ids: new Set([id]) };
    this.#offer();
  }

  /** @param {HTMLElement} node in the same line */
  #widenTo(node) {
    const id = this.view.wordAt(node)?.id;
    if (id === undefined) return;
    this.#chosen?.ids.add(id);
    // All between them, too.
    this.#add(this.#units);
    this.#offer();
  }

  /** @param {Unit[]} more that follow what is chosen, or one another */
  #add(more) {
    for (const { words } of more) for (const { id } of words) this.#chosen?.ids.add(id);
  }

  /** @returns {Caption | undefined} that has the chosen words now */
  get #caption() {
    return this.#chosen === null ? undefined : this.view.captionAt(this.#chosen.node);
  }

  /** @returns {Unit[]} from the first chosen one to the last */
  get #units() {
    const { all, first, last } = this.#span;
    return first < 0 ? [] : all.slice(first, last + 1);
  }

  /** @returns {{all: Unit[], first: number, last: number}} the caption's units, and which are chosen */
  get #span() {
    const { ids } = this.#chosen ?? { ids: new Set() };
    const all = this.#caption === undefined ? [] : units(this.#caption);
    const isChosen = (/** @type {Unit} */ unit) => unit.words.some((word) => ids.has(word.id));
    return { all, first: all.findIndex(isChosen), last: all.findLastIndex(isChosen) };
  }

  #offer() {
    const chosen = this.#chosen;
    if (chosen === null) return;
    const text = textOf(this.#units) || (chosen.node.textContent ?? "");
    const { expect } = this.hooks;
    const word = bare(text);
    const mayExpect = expect !== undefined && /\p{L}/u.test(word);
    this.actions.open(chosen.node, text, [
      { label: "Correct", run: () => this.#edit() },
      { label: "Report", run: () => this.#settle("report", "") },
      ...(mayExpect ? [{ label: "Expect from now on", run: () => (this.actions.close(), expect([word])) }] : []),
    ]);
  }

  #edit() {
    const { all, first, last } = this.#span;
    const widen = (/** @type {number} */ at) => () => (this.#add([all[at]]), this.#edit());
    const wider = [
      ...(first > 0 ? [{ label: "← Word before", run: widen(first - 1) }] : []),
      ...(last < all.length - 1 ? [{ label: "Word after →", run: widen(last + 1) }] : []),
    ];
    this.actions.edit(textOf(this.#units), wider, (text) => this.#settle("correction", text));
  }

  /**
   * @param {"correction" | "report"} type
   * @param {string} text
   */
  #settle(type, text) {
    const [caption, chosen] = [this.#caption, this.#units];
    this.actions.close();
    if (caption === undefined || chosen.length === 0) return;
    const event = correctionOf(type, caption, chosen, text);
    if (type === "correction" && event.new_text === event.old_text) return;
    (caption.corrections ??= []).push(event);
    this.view.showCorrections(caption);
    this.hooks.note(caption, event);
    if (type === "correction") this.hooks.offer?.(newWords(event));
  }
}
