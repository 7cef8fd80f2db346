// @ts-check
/** Why a session has ended, in words. */

/** @typedef {import("../../protocol/client.js").Closing} Closing */

const NORMAL_CLOSURE = 1000;
const FULL = 4503;

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
