// @ts-check
/** What the overlay is to look like: the fields, and a picture of it as small as the dialog. */

import { CaptionView } from "../captions/captions.js";
import { byId, element } from "../captions/dom.js";
import { dress, putMarkBehindWords } from "../overlay/looks.js";
import { NUMBERS, readOptions } from "../overlay/options.js";

/** @typedef {import("../captions/emotion-shown.js").EmotionShown} EmotionShown */
/** @typedef {import("../overlay/options.js").OverlayOptions} OverlayOptions */

/** What is seen is the lower part of a picture of this width. */
const PICTURE_PX = 1920;
const SAID = "It is not a question of how far the boats can go before the tide turns";
const GOING_ON = "but of who will wait";
const GUESSED = "for them at the";

export class OverlayBuilder {
  /** @param {() => void} onChange */
  constructor(onChange) {
    this.align = byId("overlay-align", HTMLSelectElement);
    this.box = byId("overlay-box", HTMLInputElement);
    this.emotion = byId("overlay-emotion", HTMLInputElement);
    this.names = byId("overlay-names", HTMLInputElement);
    this.messages = byId("overlay-messages", HTMLInputElement);
    /** @type {Record<string, HTMLInputElement>} */
    this.numbers = {};
    for (const [name, { usual, least, most, step }] of Object.entries(NUMBERS)) {
      const field = byId(`overlay-${name}`, HTMLInputElement);
      Object.assign(field, { min: least, max: most, step, value: usual });
      this.numbers[name] = field;
    }
    this.picture = preview(byId("overlay-preview", HTMLElement));
    const checks = [this.box, this.emotion, this.names, this.messages];
    for (const field of [...Object.values(this.numbers), this.align, ...checks]) {
      field.addEventListener("input", onChange);
    }
  }

  /**
   * Shows what was chosen.
   *
   * @param {EmotionShown} emotionShown on this page
   * @returns {{options: OverlayOptions, problems: string[]}} as the overlay would read them
   */
  read(emotionShown) {
    const query = new URLSearchParams({
      align: this.align.value,
      box: this.box.checked ? "on" : "off",
      emotion: this.emotion.checked ? emotionShown : "off",
      names: this.names.checked ? "on" : "off",
      messages: this.messages.checked ? "on" : "off",
    });
    for (const [name, field] of Object.entries(this.numbers)) query.set(name, field.value);
    const { options, problems } = readOptions(query);
    dress(this.picture, options);
    return { options, problems };
  }
}

/**
 * An overlay with something in it. The page's own styles do not reach into a shadow root.
 *
 * @param {HTMLElement} place
 */
function preview(place) {
  const root = place.attachShadow({ mode: "open" });
  const style = new CSSStyleSheet();
  root.adoptedStyleSheets = [style];
  void fetch("/static/overlay/overlay.css").then(async (answer) => style.replace(await answer.text()));
  const overlay = element("div", "overlay");
  overlay.style.setProperty("--px", `calc(100cqw / ${PICTURE_PX})`);
  const list = element("ol", "");
  overlay.append(list);
  root.append(overlay);
  const captions = new CaptionView({
    list,
    scroller: overlay,
    announcer: document.createElement("div"),
    toLive: document.createElement("button"),
  });
  const emotion = { label: "happy", probs: {} };
  captions.closeSegment({ ...caption(), emotion, words: words(SAID) }, words(SAID));
  putMarkBehindWords(list);
  captions.showWords(caption(), words(GOING_ON), words(GUESSED));
  return overlay;
}

/** @returns {import("../protocol/transcript.js").Caption} */
function caption() {
  const [startMs, endMs, epochMs] = [0, 0, null];
  return { sessionId: "", segmentId: 0, startMs, endMs, epochMs, words: [], emotion: null, final: false };
}

/** @param {string} text */
function words(text) {
  return text.split(" ").map((word, id) => ({
    id,
    text: word,
    start_ms: 0,
    end_ms: 0,
    confidence: 1,
    state: /** @type {const} */ ("committed"),
    loudness: word === "question" ? 8 : 0,
  }));
}
