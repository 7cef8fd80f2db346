// @ts-check
/** Somebody's captions, read along: what the server tells a follower becomes lines on the page. */

import { FollowClient, followAddress } from "../protocol/client.js";
import { Transcript } from "../protocol/transcript.js";
import { FOLLOWED_SIDES, Names } from "./names.js";
import { Renaming } from "./renaming.js";
import { Spoken } from "./spoken.js";

/** @typedef {import("../protocol/client.js").ServerEvent} ServerEvent */
/** @typedef {import("../protocol/client.js").FollowingEvent} FollowingEvent */
/** @typedef {import("../protocol/client.js").ServerLocation} ServerLocation */
/** @typedef {import("./captions.js").CaptionView} CaptionView */

/**
 * `incomplete`: the address holds no whole id. `waiting`: nobody speaks under the id. `ended`: who
 * spoke has stopped. `cut`: the connection broke. `refused`: the server says why.
 *
 * @typedef {"incomplete" | "connecting" | "live" | "waiting" | "ended" | "cut" | "refused"} State
 */

/**
 * @typedef {object} Handlers
 * @property {(state: State, said: string) => void} onState what the server said, if `refused`
 * @property {(isFirst: boolean) => void} onSession a session begins that was not followed before
 * @property {() => void} onGap what comes next does not follow what was shown last
 * @property {(event: ServerEvent) => void} onEvent behind its effect on the captions
 */

/** Of one server among several it names that, too: `REPLICA.NAME`. */
const FOLLOW_ID = /^(?:[\w-]{1,24}\.)?[\w-]{24}$/;

/** Connections come and go: a session that is followed again goes on where it was. */
export class FollowedCaptions {
  /** Of the open line alone: those that are finished are on the page. */
  #transcript = new Transcript();
  #names = new Names(FOLLOWED_SIDES);
  #spoken;
  #sessionKey = "";
  /** Where the newest sound of each channel begins.
   *  @type {Map<number, number>} */
  #soundMs = new Map();
  #isFirst = true;
  /** @type {State} */
  #state = "connecting";

  /**
   * @param {CaptionView} captions
   * @param {Handlers} handlers
   */
  constructor(captions, handlers) {
    this.captions = captions;
    this.handlers = handlers;
    this.#spoken = new Spoken(this.#transcript, this.#names, captions);
    new Renaming(captions, this.#names);
  }

  /**
   * Follows for as long as the page is open.
   *
   * @param {ServerLocation} location
   * @param {string} followId as somebody gave it
   */
  follow(location, followId) {
    if (!FOLLOW_ID.test(followId)) {
      this.#become("incomplete");
      return;
    }
    const client = new FollowClient(followAddress(location, followId));
    client.addEventListener("event", ({ detail }) => this.#handle(detail));
    client.addEventListener("cut", () => {
      // Whoever has stopped is not missed.
      if (this.#state !== "ended") this.#become("cut");
    });
    this.#become("connecting");
  }

  /** @param {ServerEvent} event */
  #handle(event) {
    switch (event.type) {
      case "following":
        this.#begin(event);
        break;
      case "words":
      case "speakers":
        this.#spoken.handle(event);
        break;
      case "segment": {
        const open = this.#transcript.openIn(event.channel ?? 0);
        // The newest ones come again with every connection.
        if (open !== null && event.segment_id < open.segmentId) return;
        this.#spoken.handle(event);
        this.#transcript.clear();
        break;
      }
      case "sound": {
        // As are the newest sounds.
        const { channel = 0, start_ms: startMs } = event;
        if (startMs <= (this.#soundMs.get(channel) ?? -1)) return;
        this.#soundMs.set(channel, startMs);
        this.#spoken.handle(event);
        break;
      }
      case "bye":
        this.#end(event.received_ms);
        this.#become(event.reason === "replaced" ? "connecting" : "ended");
        break;
      case "error":
        if (event.fatal) this.#refused(event.code, event.message);
        break;
    }
    this.handlers.onEvent(event);
  }

  /** @param {FollowingEvent} event */
  #begin({ session_key = "", first_word_id, channels = 1 }) {
    this.#names.beginSession(channels);
    if (session_key === "" || session_key !== this.#sessionKey) {
      this.#end(0);
      this.#sessionKey = session_key;
      this.#soundMs.clear();
      this.#transcript.beginSession(session_key);
      this.handlers.onSession(this.#isFirst);
      this.#isFirst = false;
    }
    if (first_word_id > this.#transcript.nextWordId) {
      this.#interrupt();
      this.handlers.onGap();
    }
    this.#become("live");
  }

  /** @param {number} durationMs */
  #end(durationMs) {
    this.captions.dropTentative();
    this.#transcript.endSession(durationMs);
  }

  #interrupt() {
    this.captions.dropTentative();
    this.#transcript.interrupt();
  }

  /**
   * @param {string} code
   * @param {string} message
   */
  #refused(code, message) {
    this.#interrupt();
    if (code !== "unknown_session") this.#become("refused", message);
    else if (this.#state !== "ended") this.#become("waiting");
  }

  /**
   * @param {State} state
   * @param {string} said
   */
  #become(state, said = "") {
    this.#state = state;
    this.handlers.onState(state, said);
  }
}
