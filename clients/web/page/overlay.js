// @ts-check
/**
 * Captions to be laid over a picture, in OBS for example:
 * `/overlay?session=FOLLOW_ID&size=48&lines=3&hold=10&emotion=subtle`, with the size in pixels, the
 * most lines of text, the seconds that captions stay when nobody speaks any more (0: for ever), and
 * how much of the voice is shown (`off`, `subtle`, `full`, `voice`).
 */

import { CaptionView } from "../captions/captions.js";
import { isEmotionShown } from "../captions/emotion-shown.js";
import { followAddress } from "../protocol/client.js";
import { FollowClient } from "../protocol/follow.js";
import { Transcript } from "../protocol/transcript.js";

/** @typedef {import("../protocol/client.js").ServerEvent} ServerEvent */

const KEPT_CAPTIONS = 8;

class Overlay {
  #transcript = new Transcript();
  #quiet = 0;

  /** @param {URLSearchParams} query */
  constructor(query) {
    this.list = byId("lines");
    this.captions = new CaptionView({
      list: this.list,
      scroller: byId("captions"),
      announcer: byId("announcer"),
      // Nobody can scroll an overlay, so nobody needs a way back.
      toLive: document.createElement("button"),
    });
    const shown = query.get("emotion");
    this.captions.emotionShown = isEmotionShown(shown) ? shown : "subtle";
    document.documentElement.dataset.emotionShown = this.captions.emotionShown;
    this.holdMs = 1000 * number(query, "hold", 10, 0, 3600);
    const root = document.documentElement.style;
    root.setProperty("--size", `${number(query, "size", 48, 8, 400)}px`);
    root.setProperty("--lines", `${number(query, "lines", 3, 1, 50)}`);
  }

  /** @param {ServerEvent} event */
  handle(event) {
    switch (event.type) {
      case "following":
        this.#begin(event.follow_id);
        break;
      case "words": {
        const added = this.#transcript.applyWords(event);
        const { open, tentative } = this.#transcript;
        if (open !== null) this.captions.showWords(open, added, tentative);
        if (event.words.length > 0) this.#speaks();
        break;
      }
      case "segment": {
        const { caption, added } = this.#transcript.applySegment(event);
        this.captions.closeSegment(caption, added);
        this.#forget();
        break;
      }
      case "emotion":
        document.body.dataset.emotion = event.emotion.label;
        break;
      case "bye":
        this.captions.dropTentative();
        break;
    }
  }

  /** @param {string} followId */
  #begin(followId) {
    this.captions.dropTentative();
    this.captions.clear();
    delete document.body.dataset.emotion;
    this.#transcript = new Transcript();
    this.#transcript.beginSession(followId);
  }

  #speaks() {
    document.body.classList.remove("quiet");
    clearTimeout(this.#quiet);
    if (this.holdMs === 0) return;
    this.#quiet = setTimeout(() => document.body.classList.add("quiet"), this.holdMs);
  }

  /** An overlay may be open for days. */
  #forget() {
    this.#transcript.clear();
    while (this.list.childElementCount > KEPT_CAPTIONS) this.list.firstElementChild?.remove();
  }
}

/** @param {string} id */
function byId(id) {
  const node = document.getElementById(id);
  if (node === null) throw new Error(`the page lacks #${id}`);
  return node;
}

/**
 * @param {URLSearchParams} query
 * @param {string} name
 * @param {number} usual
 * @param {number} least
 * @param {number} most
 */
function number(query, name, usual, least, most) {
  const given = query.get(name);
  const value = given === null || given === "" ? NaN : Number(given);
  return Number.isNaN(value) ? usual : Math.max(least, Math.min(most, value));
}

/** @param {URLSearchParams} query */
function start(query) {
  const followId = query.get("session");
  if (followId === null || followId === "") {
    const problem = byId("problem");
    problem.textContent = "Open this page as /overlay?session=… with the follow id of a session.";
    problem.hidden = false;
    return;
  }
  const overlay = new Overlay(query);
  const client = new FollowClient(followAddress(window.location, followId));
  client.addEventListener("event", (event) => {
    overlay.handle(/** @type {CustomEvent<ServerEvent>} */ (event).detail);
  });
}

start(new URLSearchParams(window.location.search));
