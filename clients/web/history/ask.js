// @ts-check
/** A question in a dialog. */

import { byId } from "../captions/dom.js";

/** @typedef {{title: string, hint: string, yes: string, text?: string}} Question `text` may be edited */

export class Ask {
  constructor() {
    this.dialog = byId("ask", HTMLDialogElement);
    this.title = byId("ask-title", HTMLElement);
    this.hint = byId("ask-hint", HTMLElement);
    this.label = byId("ask-field", HTMLElement);
    this.field = byId("ask-text", HTMLInputElement);
    this.yes = byId("ask-yes", HTMLButtonElement);
  }

  /**
   * @param {Question} question
   * @returns {Promise<string | null>} the text; null if the answer is no
   */
  async ask({ title, hint, yes, text }) {
    this.title.textContent = title;
    this.hint.textContent = hint;
    this.hint.hidden = hint === "";
    this.yes.textContent = yes;
    this.yes.classList.toggle("danger", text === undefined);
    this.label.hidden = text === undefined;
    this.field.value = text ?? "";
    this.dialog.returnValue = "";
    this.dialog.showModal();
    if (text !== undefined) this.field.select();
    await new Promise((resolve) => this.dialog.addEventListener("close", resolve, { once: true }));
    return this.dialog.returnValue === "yes" ? this.field.value.trim() : null;
  }
}
