// @ts-check
/** What the server says of words becomes captions, with names, and lines of them. */

import { assign } from "./corrections.js";

/** @typedef {import("../protocol/client.js").ServerEvent} ServerEvent */
/** @typedef {import("../protocol/transcript.js").Transcript} Transcript */
/** @typedef {import("./captions.js").CaptionView} CaptionView */
/** @typedef {import("./names.js").Names} Names */

export class Spoken {
  /**
   * @param {Transcript} transcript
   * @param {Names} names
   * @param {CaptionView} view
   */
  constructor(transcript, names, view) {
    this.transcript = transcript;
    this.names = names;
    this.view = view;
  }

  /** @param {ServerEvent} event */
  handle(event) {
    if (event.type === "words") this.#show(event.channel ?? 0, this.transcript.applyWords(event));
    else if (event.type === "segment") this.#close(event);
    else if (event.type === "sound") this.#hear(event);
    else if (event.type === "speakers") {
      this.transcript.applySpeakers(event);
      this.#show(event.channel ?? 0, []);
    }
  }

  /**
   * @param {number} channel
   * @param {import("../protocol/client.js").WireWord[]} added
   */
  #show(channel, added) {
    const open = this.transcript.openIn(channel);
    if (open === null) return;
    const tentative = this.transcript.tentativeIn(channel);
    this.names.tell(open, tentative);
    this.view.showWords(open, added, tentative);
  }

  /** @param {import("../protocol/client.js").SoundEvent} event */
  #hear(event) {
    const caption = this.transcript.applySound(event);
    if (caption !== null && typeof event.end_ms !== "number") this.view.showSound(caption);
  }

  /** @param {import("../protocol/client.js").SegmentEvent} event */
  #close(event) {
    const { caption, added } = this.transcript.applySegment(event);
    this.names.tell(caption);
    // Where somebody else goes on, there are words behind.
    const next = this.transcript.openIn(event.channel ?? 0);
    if (next !== null) this.names.tell(next);
    const { corrections } = caption;
    if (next !== null && corrections !== undefined) {
      delete caption.corrections;
      assign(corrections, [caption, next]);
    }
    this.view.closeSegment(caption, added, next);
    for (const each of [caption, next]) if (each?.corrections !== undefined) this.view.showCorrections(each);
  }
}
