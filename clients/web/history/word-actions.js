// @ts-check
/** What can be done with a word: buttons at it, and a field to write what was said instead. */

import { element, quietButton } from "../captions/dom.js";

/** @typedef {{label: string, run: () => void}} WordAction */

const GAP_PX = 6;

export class WordActions {
  /** @type {HTMLElement | null} */
  #word = null;
  #openedFrom = /** @type {Element | null} */ (null);

  /** @param {HTMLElement} container in a landmark of the page */
  constructor(container) {
    this.box = element("div", "word-actions");
    this.box.setAttribute("role", "group");
    this.box.hidden = true;
    this.box.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
    });
    container.append(this.box);
    window.addEventListener("resize", () => this.#place());
    document.addEventListener("scroll", () => this.#place(), { capture: true, passive: true });
  }

  get isOpen() {
    return this.#word !== null;
  }

  /**
   * @param {HTMLElement} word at which it opens
   * @param {string} text
   * @param {WordAction[]} actions
   */
  open(word, text, actions) {
    if (!this.isOpen) this.#openedFrom = document.activeElement;
    this.#word = word;
    this.box.setAttribute("aria-label", `Word “${text}”`);
    this.box.replaceChildren(...actions.map(button));
    this.box.hidden = false;
    this.#place();
  }

  /**
   * @param {string} text that is there now
   * @param {WordAction[]} wider take in the neighbours
   * @param {(text: string) => void} save
   */
  edit(text, wider, save) {
    const form = /** @type {HTMLFormElement} */ (element("form", "word-edit"));
    const field = /** @type {HTMLInputElement} */ (element("input", ""));
    field.value = text;
    field.maxLength = 500;
    field.autocomplete = "off";
    field.spellcheck = true;
    field.setAttribute("aria-label", `What was said instead of “${text}”; nothing, if nothing was said`);
    const submit = button({ label: "Save", run: () => {} });
    submit.type = "submit";
    form.append(field, submit, ...wider.map(button), button({ label: "Cancel", run: () => this.close() }));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.close();
      save(field.value);
    });
    this.box.replaceChildren(form);
    this.#place();
    field.focus();
    field.select();
  }

  focus() {
    this.box.querySelector("button")?.focus();
  }

  close() {
    if (!this.isOpen) return;
    const hadFocus = this.box.contains(document.activeElement);
    this.#word = null;
    this.box.hidden = true;
    if (hadFocus && this.#openedFrom instanceof HTMLElement) this.#openedFrom.focus();
  }

  /** Below its word, inside the window. */
  #place() {
    if (this.#word === null) return;
    const word = this.#word.getBoundingClientRect();
    const { offsetWidth, offsetHeight } = this.box;
    const left = Math.min(word.left, window.innerWidth - offsetWidth - GAP_PX);
    const top = Math.min(word.bottom + GAP_PX, window.innerHeight - offsetHeight - GAP_PX);
    this.box.style.setProperty("left", `${Math.max(GAP_PX, left)}px`);
    this.box.style.setProperty("top", `${Math.max(GAP_PX, top)}px`);
  }
}

/** @param {WordAction} action */
function button({ label, run }) {
  return quietButton(label, run);
}
