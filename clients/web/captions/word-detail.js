// @ts-check
/** What is known of one word: beside the pointer, or reached with the arrow keys. */

/** @typedef {import("../protocol/client.js").WireWord} WireWord */
/** @typedef {import("./captions.js").CaptionView} CaptionView */

const GAP_PX = 6;

export class WordDetail {
  /** @type {HTMLElement | null} */
  #word = null;

  /**
   * @param {HTMLElement} bubble
   * @param {CaptionView} captions
   */
  constructor(bubble, captions) {
    this.bubble = bubble;
    this.captions = captions;
    const { scroller } = captions;
    // Clicks too: a finger does not hover.
    for (const kind of ["pointerover", "click"]) {
      scroller.addEventListener(kind, (event) => this.#point(event.target));
    }
    scroller.addEventListener("pointerleave", () => this.hide());
    scroller.addEventListener("blur", () => this.hide());
    scroller.addEventListener("scroll", () => this.#place());
    scroller.addEventListener("keydown", (event) => this.#press(event));
  }

  /** The node of the word that is told of. */
  get word() {
    return this.#word;
  }

  hide() {
    this.#word?.classList.remove("pointed");
    this.#word = null;
    this.bubble.hidden = true;
  }

  /** @param {EventTarget | null} target */
  #point(target) {
    if (target instanceof HTMLElement && this.captions.wordAt(target) !== undefined) this.#show(target);
    else this.hide();
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    if (event.key === "Escape") this.hide();
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    const words = /** @type {HTMLElement[]} */ ([...this.captions.list.querySelectorAll(".word:not([hidden])")]);
    if (words.length === 0) return;
    const current = this.#word === null ? -1 : words.indexOf(this.#word);
    // The first press chooses the newest word.
    const next = current < 0 ? words.length - 1 : current + step;
    const word = words[Math.max(0, Math.min(words.length - 1, next))];
    event.preventDefault();
    word.scrollIntoView({ block: "nearest" });
    this.#show(word);
  }

  /** @param {HTMLElement} node */
  #show(node) {
    const word = this.captions.wordAt(node);
    if (word === undefined) return;
    this.#word?.classList.remove("pointed");
    this.#word = node;
    node.classList.add("pointed");
    this.bubble.textContent = [...facts(word), ...changes(node)].join(" · ");
    this.bubble.hidden = false;
    this.#place();
  }

  /** Above its word, inside the window. */
  #place() {
    if (this.#word === null) return;
    const box = this.#word.getBoundingClientRect();
    const { offsetWidth, offsetHeight } = this.bubble;
    const left = Math.min(box.left, window.innerWidth - offsetWidth - GAP_PX);
    const top = box.top - offsetHeight - GAP_PX;
    this.bubble.style.setProperty("left", `${Math.max(GAP_PX, left)}px`);
    this.bubble.style.setProperty("top", `${top < GAP_PX ? box.bottom + GAP_PX : top}px`);
  }
}

/**
 * What the protocol says of a word.
 *
 * @param {WireWord} word
 */
function facts({ text, start_ms, end_ms, confidence, decision }) {
  const known = [text, `${exact(start_ms)} – ${exact(end_ms)}`, `${Math.round(100 * confidence)} % sure`];
  return decision ? [...known, ...reasons(decision)] : known;
}

/**
 * What a person says of the word.
 *
 * @param {HTMLElement} node
 */
function changes({ classList, textContent }) {
  const known = classList.contains("corrected") ? [`corrected to “${textContent}”`] : [];
  if (classList.contains("struck")) known.push("was not said");
  if (classList.contains("reported")) known.push("reported");
  return known;
}

/**
 * What was nearly said instead, and what each part of the decision had to say for the word.
 *
 * @param {import("../protocol/client.js").WireDecision} decision
 */
function reasons({ rival, audio, text, hot_words, second, heard }) {
  const parts = [`sound ${signed(audio)}`, `LLM ${signed(text)}`];
  // Servers from before there was a second listener do not tell.
  if (second) parts.push(`second listener ${signed(second)}`);
  if (hot_words !== 0) parts.push(`expected ${signed(hot_words)}`);
  for (const [modality, share] of Object.entries(heard)) parts.push(`heard ${modality} ${Math.round(100 * share)} %`);
  return [rival ? `rather than “${rival}”` : "rather than nothing", parts.join(", ")];
}

/** @param {number} nats */
function signed(nats) {
  return `${nats < 0 ? "−" : "+"}${Math.abs(nats).toFixed(1)}`;
}

/**
 * @param {number} ms
 * @returns {string} m:ss.hh
 */
function exact(ms) {
  const hundredths = Math.round(ms / 10);
  const seconds = ((hundredths / 100) % 60).toFixed(2).padStart(5, "0");
  return `${Math.floor(hundredths / 6000)}:${seconds}`;
}
