// @ts-check
/** What is said of a session: when it was, how long, what is kept. */

import { clock } from "../captions/dom.js";

/** @typedef {import("./store.js").Session} Session */

const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric" });
const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

/** @param {Session} session */
export function whenOf({ startedAtMs }) {
  return `${DAY.format(startedAtMs)}, ${TIME.format(startedAtMs)}`;
}

/**
 * @param {number} ms
 * @returns {string} roughly
 */
export function lengthOf(ms) {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1) return `${Math.round(ms / 1000)} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * @param {Session} session
 * @param {number} corrections
 */
export function factsOf(session, corrections) {
  const { lines, durationMs, soundFromMs, soundToMs, ended } = session;
  const keptMs = soundToMs - soundFromMs;
  const sound = soundFromMs < 1000 ? "with its sound" : `with its sound from ${clock(soundFromMs)} on`;
  const facts = [whenOf(session), lengthOf(durationMs), lines === 1 ? "1 line" : `${lines} lines`];
  facts.push(keptMs > 0 ? sound : "without sound");
  if (corrections > 0) facts.push(corrections === 1 ? "1 correction" : `${corrections} corrections`);
  if (!ended) facts.push("being captioned");
  return facts.join(" · ");
}
