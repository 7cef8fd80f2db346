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

/** @typedef {{caption: Caption, node: HTMLElement, first: number, last: number}} Chosen units of a caption */

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
    } else if (shiftKey && this.#chosen !== null && this.view.captionAt(target) === this.#chosen.caption) {
      this.#widenTo(target);
    } else {
      this.#choose(target);
    }
  }

  /** @param {HTMLElement} node of a word */
  #choose(node) {
    const caption = this.view.captionAt(node);
    const at = caption === undefined ? -1 : this.#unitAt(caption, node);
    if (caption === undefined || at < 0) return;
    this.#chosen = { caption, node, first: at, last: at };
    this.#offer();
  }

  /** @param {HTMLElement} node in the same line */
  #widenTo(node) {
    if (this.#chosen === null) return;
    const at = this.#unitAt(this.#chosen.caption, node);
    this.#chosen.first = Math.min(this.#chosen.first, at);
    this.#chosen.last = Math.max(this.#chosen.last, at);
    this.#offer();
  }

  /**
   * @param {Caption} caption
   * @param {HTMLElement} node
   */
  #unitAt(caption, node) {
    const id = this.view.wordAt(node)?.id;
    return units(caption).findIndex((unit) => unit.words.some((word) => word.id === id));
  }

  /** @returns {Unit[]} */
  get #units() {
    if (this.#chosen === null) return [];
    return units(this.#chosen.caption).slice(this.#chosen.first, this.#chosen.last + 1);
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
    const chosen = this.#chosen;
    if (chosen === null) return;
    const count = units(chosen.caption).length;
    const widen = (/** @type {number} */ before, /** @type {number} */ after) => () => {
      chosen.first -= before;
      chosen.last += after;
      this.#edit();
    };
    const wider = [
      ...(chosen.first > 0 ? [{ label: "← Word before", run: widen(1, 0) }] : []),
      ...(chosen.last < count - 1 ? [{ label: "Word after →", run: widen(0, 1) }] : []),
    ];
    this.actions.edit(textOf(this.#units), wider, (text) => this.#settle("correction", text));
  }

  /**
   * @param {"correction" | "report"} type
   * @param {string} text
   */
  #settle(type, text) {
    const chosen = this.#chosen;
    this.actions.close();
    if (chosen === null) return;
    const event = correctionOf(type, chosen.caption, this.#units, text);
    if (type === "correction" && event.new_text === event.old_text) return;
    (chosen.caption.corrections ??= []).push(event);
    this.view.showCorrections(chosen.caption);
    this.hooks.note(chosen.caption, event);
    if (type === "correction") this.hooks.offer?.(newWords(event));
  }
}
