// @ts-check
/**
 * The caption lines on the page.
 *
 * Committed words are appended as nodes that are never touched again; only the tentative tail of
 * an open line is rewritten. So nothing that has been read ever moves or changes, unless the person
 * who reads corrects it. Each side of a conversation may have a line open; lines stand in the order
 * in which they begin.
 */

import { Announcer } from "./announcer.js";
import { markCorrections } from "./correction-marks.js";
import { clock, element, timeOfDay } from "./dom.js";
import { emotionMark } from "./emotion-mark.js";
import { isSure, weightOf } from "./emotion-shown.js";
import { showName } from "./name-marks.js";
import { isSameVoice } from "./names.js";
import { joinWords, spaceAfter } from "../protocol/transcript.js";

/** @typedef {import("../protocol/client.js").WireWord} WireWord */
/** @typedef {import("../protocol/transcript.js").Caption} Caption */
/** @typedef {{caption: Caption, line: HTMLElement, meta: HTMLElement, text: HTMLElement, tail: HTMLElement,
 *   heightPx: number}} OpenLine */

const FOLLOW_MARGIN_PX = 48;

export class CaptionView {
  /** How much of the voice is shown; the style sheets know too.
   *  @type {import("./emotion-shown.js").EmotionShown} */
  emotionShown = "subtle";
  /** @type {Map<number, OpenLine>} of each channel */
  #open = new Map();
  #following = true;
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
    this.announcer = new Announcer(announcer);
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
   * @param {Caption} caption an open one
   * @param {WireWord[]} added
   * @param {WireWord[]} tentative
   */
  showWords(caption, added, tentative) {
    const shown = this.#open.get(caption.channel ?? 0);
    if (added.length === 0 && tentative.length === 0 && shown === undefined) return;
    const open = shown ?? this.#newLine(caption);
    this.#showNameOf(open.line);
    this.#append(open, added);
    const tail = joinWords(tentative);
    if (open.tail.textContent !== tail) open.tail.textContent = tail;
    this.#holdHeight(open);
    this.#follow();
  }

  /**
   * @param {Caption} caption now final
   * @param {WireWord[]} added
   * @param {Caption | null} next goes on with the words behind it, which somebody else said
   */
  closeSegment(caption, added, next = null) {
    if (caption.sound) return this.showSound(caption);
    const shown = this.#open.get(caption.channel ?? 0);
    if (caption.words.length === 0) {
      if (shown !== undefined) this.#drop(shown);
      return;
    }
    const open = shown ?? this.#newLine(caption);
    this.#append(open, added);
    this.#settle(open);
    this.#showNameOf(open.line);
    if (next !== null) this.#moveBehind(open, next);
    this.announcer.name(caption);
    if (caption.emotion !== null) {
      mark(open, caption.emotion.label);
      this.announcer.emotion(caption.emotion.label, this.emotionShown);
    }
    this.#follow();
  }

  /** @param {Caption} caption of a sound that is no speech */
  showSound(caption) {
    const open = this.#lineOf(caption);
    open.line.classList.replace("open", "sound");
    open.text.textContent = joinWords(caption.words);
    this.announcer.say(joinWords(caption.words));
    this.#follow();
  }

  /** The session is over: what was only guessed goes. */
  dropTentative() {
    for (const open of [...this.#open.values()]) this.#drop(open);
  }

  /** @param {boolean} expected whether names will come: there is room for them from the beginning */
  expectNames(expected) {
    this.list.toggleAttribute("data-named", expected);
  }

  /**
   * @param {Caption} caption whose voice has another name now
   * @returns {Caption[]} all that are of the voice, which have it too
   */
  renamed(caption) {
    const said = this.#lines.flatMap((line) => this.#captions.get(line) ?? []);
    const changed = said.filter((each) => isSameVoice(each, caption));
    for (const each of changed) each.speaker = caption.speaker;
    for (const line of this.#lines) this.#showNameOf(line);
    return changed;
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
    const open = [...this.#open.values()].map(({ line }) => line);
    const cleared = this.#lines.filter((line) => !open.includes(line));
    for (const line of cleared) line.remove();
    for (const line of open) this.#showNameOf(line);
    return cleared;
  }

  /** @param {HTMLElement[]} lines what `clear` returned */
  restore(lines) {
    this.list.prepend(...lines);
    for (const line of this.#lines) this.#showNameOf(line);
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
    const open = this.#lineOf(caption);
    this.#open.set(caption.channel ?? 0, open);
    return open;
  }

  /**
   * @param {Caption} caption
   * @returns {OpenLine} in its place on the page
   */
  #lineOf(caption) {
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
    this.#insert(line, caption);
    return { caption, line, meta, text, tail, heightPx: 0 };
  }

  /**
   * What the other side said may become words later than what was said after it; of a sound it is
   * known later, too.
   *
   * @param {HTMLElement} line
   * @param {Caption} caption
   */
  #insert(line, { startMs, channel, sound }) {
    let above = this.list.lastElementChild;
    const isLater = (/** @type {Caption | undefined} */ shown) =>
      shown !== undefined && (shown.channel !== channel || sound) && shown.startMs > startMs;
    while (above !== null && isLater(this.#captions.get(above))) above = above.previousElementSibling;
    if (above === null) this.list.prepend(line);
    else above.after(line);
    this.#showNameOf(line);
  }

  /**
   * Shows it, or that it goes on, at the line and at the one below.
   *
   * @param {Element} line
   */
  #showNameOf(line) {
    for (const each of [line, line.nextElementSibling]) {
      const caption = each === null ? undefined : this.#captions.get(each);
      if (!(each instanceof HTMLElement) || caption === undefined) continue;
      const above = each.previousElementSibling;
      showName(each, caption, above === null ? undefined : this.#captions.get(above));
      if (caption.voice !== undefined) this.expectNames(true);
    }
  }

  /**
   * @param {OpenLine} open now settled
   * @param {Caption} next
   */
  #moveBehind(open, next) {
    const behind = this.#newLine(next);
    const spans = open.text.querySelectorAll(".word");
    const first = spans[open.caption.words.length];
    while (first !== undefined && open.text.contains(first)) {
      const last = /** @type {ChildNode} */ (open.text.lastChild);
      behind.text.prepend(last);
    }
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
    this.announcer.name(open.caption);
    this.announcer.say(joinWords(words));
  }

  /** @param {OpenLine} open */
  #settle(open) {
    open.tail.remove();
    open.line.classList.remove("open");
    open.text.style.removeProperty("min-height");
    this.#open.delete(open.caption.channel ?? 0);
  }

  /** @param {OpenLine} open of which only committed words stay */
  #drop(open) {
    this.#settle(open);
    if (open.text.childElementCount > 0) return;
    const below = open.line.nextElementSibling;
    open.line.remove();
    if (below !== null) this.#showNameOf(below);
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
