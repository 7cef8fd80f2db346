// @ts-check
/** Why a session has ended, in words. */

/** @typedef {import("../../protocol/client.js").Closing} Closing */

const NORMAL_CLOSURE = 1000;
const FULL = 4503;

const GONE = "The microphone is gone: it was unplugged, or the browser took it away.";
export const MICROPHONE_GONE = `${GONE} Press Start to go on.`;
/** One of two, by its channel. */
export const SIDE_GONE = [
  `${GONE} The other side is still heard.`,
  "The other side's sound has ended, or is not shared any more. The microphone is still heard.",
];

/**
 * @param {Closing} closing
 * @param {boolean} asked whether this page asked for the end
 * @returns {string} what happened and what to do; "" if all is well
 */
export function explainEnding({ code, reason, wasReady, saidBye, timedOut }, asked) {
  if (asked && (saidBye || code === NORMAL_CLOSURE)) return "";
  if (saidBye) return `The server ended the session${reason ? ` (${reason})` : ""}. Press Start to go on.`;
  if (code === FULL) return "The server is full, and no place became free. Press Start to try again.";
  if (!wasReady) {
    const failed = timedOut ? "does not answer" : "cannot be reached";
    return `The server at ${window.location.host} ${failed}. Check that it is running, then press Start.`;
  }
  if (asked) return "The server went away before it had finished; the last words may be missing.";
  return `The connection was lost (${code}). Everything solid is kept. Press Start to go on.`;
}
