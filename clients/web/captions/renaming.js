// @ts-check
/** Lets a person rename who speaks: a click on a name makes it a field. */

/** @typedef {import("../protocol/transcript.js").Caption} Caption */
/** @typedef {import("./captions.js").CaptionView} CaptionView */
/** @typedef {import("./names.js").Names} Names */

const MAX_CHARS = 40;

export class Renaming {
  /**
   * @param {CaptionView} view
   * @param {Names} names
   * @param {(captions: Caption[]) => void} onRenamed told of all captions that have the name
   */
  constructor(view, names, onRenamed = () => {}) {
    this.view = view;
    this.names = names;
    this.onRenamed = onRenamed;
    view.list.addEventListener("click", ({ target }) => {
      if (target instanceof HTMLButtonElement && target.className === "who") this.#edit(target);
    });
    // Keys that choose and correct words are not meant for names.
    view.list.addEventListener("keydown", (event) => {
      if (event.target instanceof Element && event.target.matches(".who, .who-field")) event.stopPropagation();
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
    who.after(field);
    field.focus();
    field.select();
    const close = (/** @type {boolean} */ isKept) => {
      if (!field.isConnected) return;
      field.onblur = null;
      const name = field.value;
      field.remove();
      who.hidden = false;
      if (isKept) this.#rename(who, name);
    };
    field.onblur = () => close(true);
    field.onkeydown = (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      // The key must not press the button that has the focus then.
      event.preventDefault();
      close(event.key === "Enter");
      who.focus();
    };
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
