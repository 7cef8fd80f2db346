// @ts-check
/** How an overlay looks: on its own page, and in the share dialog's picture of it. */

/** @typedef {import("./options.js").OverlayOptions} OverlayOptions */

/**
 * @param {HTMLElement} overlay of the class that `overlay.css` knows
 * @param {OverlayOptions} options
 */
export function dress(overlay, { size, lines, align, box, emotion, names }) {
  overlay.style.setProperty("--size", String(size));
  overlay.style.setProperty("--lines", String(lines));
  overlay.dataset.align = align;
  overlay.dataset.box = box;
  overlay.dataset.emotionShown = emotion;
  overlay.dataset.names = names;
}

/**
 * A mark in a line of its own would take room from the words, one in front of them would move what
 * has been read.
 *
 * @param {HTMLElement} list of captions
 */
export function putMarkBehindWords(list) {
  for (const line of list.children) {
    line.querySelector(".text")?.append(...line.querySelectorAll(".meta .emotion"));
  }
}
