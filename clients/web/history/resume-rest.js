// @ts-check
/** After a crash: what the server still heard of a session, and said to nobody. */

import { streamAddress } from "../protocol/client.js";
import { PROTOCOL_VERSION, parseEvent } from "../protocol/messages.js";
import { Transcript } from "../protocol/transcript.js";

/** @typedef {import("../protocol/client.js").ServerLocation} ServerLocation */
/** @typedef {import("../protocol/transcript.js").Caption} Caption */
/** @typedef {import("./store.js").Resume} Resume */

const TIMEOUT_MS = 15_000;

/**
 * Takes the session up where its page left it, and ends it.
 *
 * @param {ServerLocation} server
 * @param {Resume} resume
 * @param {Caption[]} known what was kept of it; times are those of the session
 * @returns {Promise<Caption[]>} all of it, as far as the server still knows: the last of `known`
 *   may have grown
 */
export function withRest(server, { sessionId, resumeToken, lastSeq }, known) {
  const transcript = new Transcript();
  const last = known.at(-1);
  const newestIds = known.map(({ words }) => words.at(-1)?.id ?? -1);
  transcript.beginSession(sessionId, Math.max(-1, ...newestIds) + 1);
  if (last !== undefined) transcript.clock.observe(last.startMs, last.epochMs ?? 0);
  transcript.goOn(known);
  const { url, protocols } = streamAddress(server);
  const socket = new WebSocket(url, protocols);
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(deadline);
      socket.close();
      resolve(transcript.committed());
    };
    const deadline = setTimeout(finish, TIMEOUT_MS);
    const send = (/** @type {object} */ message) => socket.send(JSON.stringify(message));
    socket.onclose = finish;
    socket.onopen = () =>
      send({
        type: "resume",
        protocol_version: PROTOCOL_VERSION,
        session_id: sessionId,
        resume_token: resumeToken,
        last_seq: lastSeq,
      });
    socket.onmessage = ({ data }) => {
      const event = parseEvent(data);
      if (event?.type === "ready") send({ type: "stop" });
      if (event?.type === "words") transcript.applyWords(event);
      if (event?.type === "speakers") transcript.applySpeakers(event);
      if (event?.type === "segment") transcript.applySegment(event);
    };
  });
}
