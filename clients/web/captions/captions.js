// @ts-check
/**
 * The caption lines on the page.
 *
 * Committed words are appended as nodes that are never touched again; only the tentative tail of
 * the open line is rewritten. So nothing that has been read ever moves or changes, unless the person
 * who reads corrects it.
 */

import { markCorrections } from "./correction-marks.js";
import { clock, element, timeOfDay } from "./dom.js";
import { emotionMark } from "./emotion-mark.js";
import { isSure, weightOf } from "./emotion-shown.js";
import { joinWords, spaceAfter } from "../protocol/transcript.js";

/** @typedef {import("../protocol/client.js").WireWord} WireWord */
/** @typedef {import("../protocol/transcript.js").Caption} Caption */
/** @typedef {{line: HTMLElement, meta: HTMLElement, text: HTMLElement, tail: HTMLElement,
 *   heightPx: number}} OpenLine */

const ANNOUNCEMENTS_KEPT = 12;
const FOLLOW_MARGIN_PX = 48;

export class CaptionView {
  /** How much of the voice is shown; the style sheets know too.
   *  @type {import("./emotion-shown.js").EmotionShown} */
  emotionShown = "subtle";
  /** @type {OpenLine | null} */
  #open = null;
  #following = true;
  #saidEmotion = "";
  #heightPx = 0;
  /** @type {WeakMap<Node, WireWord>} */
  #words = new WeakMap();
  /** @type {WeakMap<Node, Caption>} of each line */
  #captions = new WeakMap();
  #clockShown = false;

  /**
   * @param {{list: HTMLElement, scroller: HTMLElement, announcer: HTMLElement,
   *   toLive: HTMLButtonElement}} elements
   */
  constructor({ list, scroller, announcer, toLive }) {
    this.list = list;
    this.scroller = scroller;
    this.announcer = announcer;
    this.toLive = toLive;
    scroller.addEventListener("scroll", () => this.#scrolled());
    new ResizeObserver(() => {
      this.#heightPx = scroller.clientHeight;
      this.#follow();
    }).observe(scroller);
    toLive.addEventListener("click", () => {
      this.#setFollowing(true);
      this.#follow();
    });
  }

  /**
   * @param {Caption} caption the open one
   * @param {WireWord[]} added
   * @param {WireWord[]} tentative
   */
  showWords(caption, added, tentative) {
    if (added.length === 0 && tentative.length === 0 && this.#open === null) return;
    const open = (this.#open ??= this.#newLine(caption));
    this.#append(open, added);
    const tail = joinWords(tentative);
    if (open.tail.textContent !== tail) open.tail.textContent = tail;
    this.#holdHeight(open);
    this.#follow();
  }

  /**
   * @param {Caption} caption now final
   * @param {WireWord[]} added
   */
  closeSegment(caption, added) {
    if (caption.words.length === 0) {
      this.dropTentative();
      return;
    }
    const open = (this.#open ??= this.#newLine(caption));
    this.#append(open, added);
    this.#settle(open);
    if (caption.emotion !== null) {
      mark(open, caption.emotion.label);
      this.#announceEmotion(caption.emotion.label);
    }
    this.#follow();
  }

  /** The session is over, or the segment held no words: what was only guessed goes. */
  dropTentative() {
    if (this.#open === null) return;
    if (this.#open.text.childElementCount > 1) this.#settle(this.#open);
    else this.#open.line.remove();
    this.#open = null;
  }

  /**
   * @param {EventTarget | null} node
   * @returns {WireWord | undefined} the committed word that it shows
   */
  wordAt(node) {
    return node instanceof Node ? this.#words.get(node) : undefined;
  }

  /**
   * @param {Node} node
   * @returns {Caption | undefined} the caption in whose line it is
   */
  captionAt(node) {
    const line = node instanceof Element ? node.closest(".line") : null;
    return line === null ? undefined : this.#captions.get(line);
  }

  /** @param {Caption} caption of which something was corrected */
  showCorrections(caption) {
    for (const line of this.#lines) {
      if (this.#captions.get(line) === caption) markCorrections(line, caption);
    }
  }

  /** @param {number} index of the line to be read from; newer ones do not pull the page on */
  readFrom(index) {
    this.#setFollowing(false);
    this.#lines[index]?.scrollIntoView({ block: index > 0 ? "center" : "start" });
  }

  /** @param {boolean} shown whether lines tell the time of day, where it is known */
  showClock(shown) {
    this.#clockShown = shown;
    for (const line of this.#lines) {
      const [caption, time] = [this.#captions.get(line), line.querySelector(".time")];
      if (caption !== undefined && time !== null) time.textContent = this.#timeOf(caption);
    }
  }

  /** @returns {HTMLElement[]} the finished lines, which are off the page now */
  clear() {
    const cleared = this.#lines.filter((line) => line !== this.#open?.line);
    for (const line of cleared) line.remove();
    return cleared;
  }

  /** @param {HTMLElement[]} lines what `clear` returned */
  restore(lines) {
    this.list.prepend(...lines);
    this.#follow();
  }

  /** @returns {HTMLElement[]} */
  get #lines() {
    return /** @type {HTMLElement[]} */ ([...this.list.children]);
  }

  /** @param {Caption} caption */
  #timeOf({ epochMs, startMs }) {
    return this.#clockShown && epochMs !== null ? timeOfDay(epochMs) : clock(startMs);
  }

  /**
   * @param {Caption} caption
   * @returns {OpenLine}
   */
  #newLine(caption) {
    const line = element("li", "line open");
    const meta = element("div", "meta");
    const time = element("span", "time", this.#timeOf(caption));
    meta.append(time);
    const text = element("p", "text");
    const tail = element("span", "tentative");
    tail.setAttribute("aria-hidden", "true");
    text.append(tail);
    line.append(meta, text);
    this.#captions.set(line, caption);
    this.list.append(line);
    return { line, meta, text, tail, heightPx: 0 };
  }

  /**
   * @param {OpenLine} open
   * @param {WireWord[]} words
   */
  #append(open, words) {
    if (words.length === 0) return;
    for (const word of words) {
      const span = element("span", "word", word.text);
      this.#words.set(span, word);
      if (typeof word.loudness === "number") {
        span.style.setProperty("--loud", weightOf(word.loudness).toFixed(2));
      }
      open.text.insertBefore(span, open.tail);
      open.text.insertBefore(document.createTextNode(spaceAfter(word.text)), open.tail);
    }
    this.#announce(joinWords(words));
  }

  /** @param {OpenLine} open */
  #settle(open) {
    open.tail.remove();
    open.line.classList.remove("open");
    open.text.style.removeProperty("min-height");
    this.#open = null;
  }

  /**
   * A tentative tail that shrinks must not pull the page up and push it down again.
   *
   * @param {OpenLine} open
   */
  #holdHeight(open) {
    // Not rounded: the line must not move by parts of a pixel when it settles.
    const heightPx = open.text.getBoundingClientRect().height;
    if (heightPx <= open.heightPx) return;
    open.heightPx = heightPx;
    open.text.style.setProperty("min-height", `${heightPx}px`);
  }

  /**
   * Those who cannot see it are told when the emotion that is shown changes.
   *
   * @param {string} label
   */
  #announceEmotion(label) {
    if (label === "unknown" || label === this.#saidEmotion) return;
    this.#saidEmotion = label;
    if (this.emotionShown === "full" || (this.emotionShown !== "off" && isSure(label))) {
      this.#announce(`(${label})`);
    }
  }

  /** @param {string} text */
  #announce(text) {
    this.announcer.append(element("p", "", text));
    while (this.announcer.childElementCount > ANNOUNCEMENTS_KEPT) {
      this.announcer.firstElementChild?.remove();
    }
  }

  /** The person has scrolled; if not, the room has become smaller, which is told here first. */
  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    if (clientHeight !== this.#heightPx) return;
    this.#setFollowing(scrollHeight - scrollTop - clientHeight < FOLLOW_MARGIN_PX);
  }

  /** @param {boolean} following */
  #setFollowing(following) {
    this.#following = following;
    this.toLive.hidden = following;
  }

  #follow() {
    if (this.#following) this.scroller.scrollTop = this.scroller.scrollHeight;
  }
}

/**
 * @param {OpenLine} open
 * @param {string} label
 */
function mark(open, label) {
  open.line.dataset.emotion = label;
  if (isSure(label)) open.line.dataset.sure = "";
  open.meta.append(emotionMark(label));
}
