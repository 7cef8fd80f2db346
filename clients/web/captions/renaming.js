// @ts-check
/** Lets a person rename who speaks: a click on a name makes it a field. */

import { quietButton } from "./dom.js";

/** @typedef {import("../protocol/transcript.js").Caption} Caption */
/** @typedef {import("./captions.js").CaptionView} CaptionView */
/** @typedef {import("./names.js").Names} Names */

const MAX_CHARS = 40;

export class Renaming {
  /**
   * @param {CaptionView} view
   * @param {Names} names
   * @param {(captions: Caption[]) => void} onRenamed told of all captions that have the name
   * @param {{name: string, claim: (captions: Caption[]) => void} | null} me whoever uses the page,
   *   and may say that a voice is their own
   */
  constructor(view, names, onRenamed = () => {}, me = null) {
    this.view = view;
    this.names = names;
    this.onRenamed = onRenamed;
    this.me = me;
    view.list.addEventListener("click", ({ target }) => {
      if (target instanceof HTMLButtonElement && target.className === "who") this.#edit(target);
    });
    // Keys that choose and correct words are not meant for names.
    view.list.addEventListener("keydown", (event) => {
      if (event.target instanceof Element && event.target.matches(".who, .who-field, .who-mine")) event.stopPropagation();
    });
  }

  /** @param {HTMLButtonElement} who */
  #edit(who) {
    const field = document.createElement("input");
    field.className = "who-field";
    field.value = who.textContent ?? "";
    field.maxLength = MAX_CHARS;
    field.autocomplete = "off";
    field.setAttribute("aria-label", `A name instead of “${field.value}”`);
    who.hidden = true;
    const mine = this.view.captionAt(who)?.voice?.kind === "person" ? this.#claimButton() : null;
    who.after(...(mine === null ? [field] : [field, mine]));
    field.focus();
    field.select();
    const close = (/** @type {boolean} */ isKept) => {
      if (!field.isConnected) return;
      field.onblur = null;
      const name = field.value;
      field.remove();
      mine?.remove();
      who.hidden = false;
      if (isKept) this.#rename(who, name);
    };
    field.onblur = ({ relatedTarget }) => {
      if (mine === null || relatedTarget !== mine) close(true);
    };
    if (mine !== null) {
      mine.onblur = () => close(true);
      mine.onclick = () => {
        field.value = this.me?.name ?? "";
        close(true);
        const caption = this.view.captionAt(who);
        if (caption !== undefined) this.me?.claim(this.view.renamed(caption));
      };
    }
    field.onkeydown = (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      // The key must not press the button that has the focus then.
      event.preventDefault();
      close(event.key === "Enter");
      who.focus();
    };
  }

  /** @returns {HTMLButtonElement | null} */
  #claimButton() {
    if (this.me === null) return null;
    const button = quietButton("This is me", () => {});
    button.classList.add("who-mine");
    // Else the field loses the focus, and is gone, before the click.
    button.onpointerdown = (event) => event.preventDefault();
    return button;
  }

  /**
   * @param {HTMLElement} who
   * @param {string} name
   */
  #rename(who, name) {
    const caption = this.view.captionAt(who);
    if (caption === undefined || name === caption.speaker) return;
    this.names.rename(caption, name);
    this.onRenamed(this.view.renamed(caption));
  }
}
