// @ts-check
/** Names on the page: a mark at every line whose voice is known, the name where another one begins. */

import { element } from "./dom.js";
import { initialOf, isSameVoice, lookOf } from "./names.js";

/** @typedef {import("../protocol/transcript.js").Caption} Caption */

/**
 * @param {HTMLElement} line
 * @param {Caption} caption
 * @param {Caption | undefined} before the one above
 */
export function showName(line, caption, before) {
  const meta = line.querySelector(".meta");
  const text = /** @type {HTMLElement | null} */ (line.querySelector(".text"));
  if (meta === null || text === null) return;
  const { voice, speaker = "" } = caption;
  if (voice === undefined) {
    for (const shown of meta.querySelectorAll(".voice-mark, .who")) shown.remove();
    delete line.dataset.voice;
    delete text.dataset.who;
    return;
  }
  line.dataset.voice = String(lookOf(voice));
  const mark = meta.querySelector(".voice-mark") ?? element("span", "voice-mark");
  mark.setAttribute("aria-hidden", "true");
  mark.textContent = initialOf(speaker);
  meta.querySelector(".time")?.before(mark);
  const who = /** @type {HTMLButtonElement} */ (meta.querySelector(".who") ?? newButton());
  who.hidden = isSameVoice(caption, before);
  if (who.textContent !== speaker) who.textContent = speaker;
  if (!who.isConnected) meta.querySelector(".time")?.after(who);
  // An overlay has no room but in front of the words.
  if (who.hidden) delete text.dataset.who;
  else text.dataset.who = speaker;
}

function newButton() {
  const who = document.createElement("button");
  who.className = "who";
  who.type = "button";
  who.title = "Rename";
  return who;
}
