// @ts-check
/** What can be the matter with a session, as one table: when, what it is called, what is said. */

/** @typedef {import("../../protocol/client.js").ClientState} ClientState */
/** @typedef {"idle" | "starting" | "live" | "paused" | "stopping"} Phase what the person asked for */
/** @typedef {"microphone" | "file" | "recording" | "tab" | "sides"} Source a recording is read, a file is played; sides: a microphone and a tab */
/** @typedef {"calm" | "live" | "busy" | "good" | "warning" | "alarm"} Tone */

/**
 * Everything that the condition is told from.
 *
 * @typedef {object} Facts
 * @property {Phase} phase
 * @property {Source} source
 * @property {ClientState | null} connection
 * @property {number} brokenMs how long there has been no answer; 0 while all is well
 * @property {number} retryInMs until the next attempt to connect; 0 while one is being made
 * @property {boolean} isMuted
 * @property {number} silentMs for how long there has been no sound at all; 0 while there is some
 * @property {boolean} isBehind
 * @property {number} behindMs how far captions are behind after a break; 0 once they are not
 * @property {number} caughtUpMs what has just been caught up; 0 otherwise
 * @property {number | null} captionAgeMs since the last caption; null if there was none yet
 * @property {string} ending why captions have stopped without being asked to; "" otherwise
 */

/**
 * @typedef {object} Condition
 * @property {string} name
 * @property {(facts: Facts) => boolean} when
 * @property {Tone} tone
 * @property {string} status a word or two, in the status line and in the title of the tab
 * @property {(facts: Facts) => string} [message] in the banner, read out when it changes
 * @property {(facts: Facts) => string} [count] beside it: seconds, which nobody reads out
 */

/** A cut that heals sooner is not worth a banner. */
const BROKEN_MS = 1_000;
const UNANSWERED_MS = 3_000;
const KEPT = "What is said is kept, and captioned when it is back.";

/** @type {Record<Source, string>} */
const SILENT = {
  microphone: "There is no sound at all. Is the microphone muted?",
  tab: "The shared tab makes no sound.",
  sides: "The microphone makes no sound at all. Is it muted?",
  file: "",
  recording: "",
};

/** In order of weight: the first that holds is told.
 *  @type {Condition[]} */
const CONDITIONS = [
  {
    name: "gone",
    when: (is) => is.phase === "idle" && is.ending !== "",
    tone: "alarm",
    status: "Captions stopped",
    message: (is) => is.ending,
    count: lastCaption,
  },
  { name: "idle", when: (is) => is.phase === "idle", tone: "calm", status: "Ready" },
  { name: "starting", when: (is) => is.phase === "starting", tone: "busy", status: "Opening" },
  {
    name: "full",
    when: (is) => is.connection === "full",
    tone: "alarm",
    status: "Server full",
    message: () => "The server is full. What is said is kept, and captioned when a place is free.",
    count: (is) => `${nextAttempt(is)} · waiting for ${seconds(is.brokenMs)}`,
  },
  {
    name: "reconnecting",
    when: (is) => is.connection === "reconnecting" && is.brokenMs >= BROKEN_MS,
    tone: "alarm",
    status: "Connection lost",
    message: () => `There is no connection to the server. ${KEPT}`,
    count: (is) => `${seconds(is.brokenMs)} without connection · ${lastCaption(is)}`,
  },
  {
    name: "reconnecting",
    when: (is) => is.connection === "reconnecting",
    tone: "busy",
    status: "Connection lost",
  },
  {
    name: "stalled",
    when: (is) =>
      is.connection === "stalled" || (is.connection === "connecting" && is.brokenMs >= UNANSWERED_MS),
    tone: "alarm",
    status: "No answer",
    message: () => `The server does not answer. ${KEPT}`,
    count: (is) => `${seconds(is.brokenMs)} without answer · ${lastCaption(is)}`,
  },
  {
    name: "muted",
    when: (is) => is.phase === "live" && is.isMuted,
    tone: "alarm",
    status: "Microphone muted",
    message: () => "The microphone is muted by the system or the browser. Nothing is heard.",
    count: lastCaption,
  },
  {
    name: "catching-up",
    when: (is) => is.phase === "live" && is.behindMs > 0,
    tone: "warning",
    status: "Catching up",
    message: () => "The connection is back, captions are catching up.",
    count: (is) => `${seconds(is.behindMs)} behind`,
  },
  {
    name: "live",
    when: (is) => is.phase === "live" && is.caughtUpMs > 0,
    tone: "good",
    status: "Listening",
    message: (is) => `Captions are back, and have caught up ${seconds(is.caughtUpMs)}.`,
  },
  {
    name: "silent",
    when: (is) => is.phase === "live" && is.silentMs > 0 && SILENT[is.source] !== "",
    tone: "warning",
    status: "No sound",
    message: (is) => SILENT[is.source],
    count: (is) => `${seconds(is.silentMs)} without sound · ${lastCaption(is)}`,
  },
  { name: "stopping", when: (is) => is.phase === "stopping", tone: "busy", status: "Finishing" },
  { name: "paused", when: (is) => is.phase === "paused", tone: "calm", status: "Paused" },
  {
    name: "connecting",
    when: (is) => is.connection === "connecting",
    tone: "busy",
    status: "Connecting",
  },
  {
    name: "reading",
    when: (is) => is.source === "recording",
    tone: "live",
    status: "Captioning a file",
  },
  { name: "behind", when: (is) => is.isBehind, tone: "warning", status: "Captions lag behind" },
  { name: "live", when: () => true, tone: "live", status: "Listening" },
];

/**
 * @param {Facts} facts
 * @returns {Condition}
 */
export function conditionOf(facts) {
  const found = CONDITIONS.find((condition) => condition.when(facts));
  return found ?? CONDITIONS[CONDITIONS.length - 1];
}

/** @param {Facts} facts */
function lastCaption({ captionAgeMs }) {
  return captionAgeMs === null ? "no caption yet" : `last caption ${seconds(captionAgeMs)} ago`;
}

/** @param {Facts} facts */
function nextAttempt({ retryInMs }) {
  return retryInMs > 0 ? `Trying again in ${Math.ceil(retryInMs / 1000)} s` : "Trying again now";
}

/** @param {number} ms */
function seconds(ms) {
  const total = Math.round(ms / 1000);
  return total < 60 ? `${total} s` : `${Math.floor(total / 60)} min ${total % 60} s`;
}
