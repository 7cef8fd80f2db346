// @ts-check
/** A question in a dialog. */

import { byId } from "../captions/dom.js";

/** @typedef {{title: string, hint: string, yes: string, text?: string}} Question `text` may be edited */

export class Ask {
  /** @type {(answer: string | null) => void} */
  #settle = () => {};

  constructor() {
    this.dialog = byId("ask", HTMLDialogElement);
    this.title = byId("ask-title", HTMLElement);
    this.hint = byId("ask-hint", HTMLElement);
    this.label = byId("ask-field", HTMLElement);
    this.field = byId("ask-text", HTMLInputElement);
    this.yes = byId("ask-yes", HTMLButtonElement);
    this.dialog.addEventListener("cancel", (event) => this.#answer(event, null));
    this.dialog.addEventListener("submit", (event) => {
      this.#answer(event, event.submitter === this.yes ? this.field.value.trim() : null);
    });
  }

  /**
   * Closes here: the browser would tell so late that the next question may be open by then.
   *
   * @param {Event} event that was the answer
   * @param {string | null} answer
   */
  #answer(event, answer) {
    event.preventDefault();
    this.dialog.close();
    this.#settle(answer);
  }

  /**
   * @param {Question} question
   * @returns {Promise<string | null>} the text; null if the answer is no
   */
  ask({ title, hint, yes, text }) {
    this.title.textContent = title;
    this.hint.textContent = hint;
    this.hint.hidden = hint === "";
    this.yes.textContent = yes;
    this.yes.classList.toggle("danger", text === undefined);
    this.label.hidden = text === undefined;
    this.field.value = text ?? "";
    this.dialog.showModal();
    if (text !== undefined) this.field.select();
    return new Promise((resolve) => (this.#settle = resolve));
  }
}
