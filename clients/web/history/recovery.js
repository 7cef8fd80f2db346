// @ts-check
/** Sessions whose page went away before they had ended: a reload, a crash, a machine that died. */

import { Names } from "../captions/names.js";
import { withRest } from "./resume-rest.js";

/** @typedef {import("../protocol/client.js").ServerLocation} ServerLocation */
/** @typedef {import("../protocol/transcript.js").Caption} Caption */
/** @typedef {import("./store.js").HistoryStore} HistoryStore */
/** @typedef {import("./store.js").Session} Session */

/**
 * Ends all such sessions. Of the newest the server is asked for what it heard meanwhile, if it may
 * still know.
 *
 * @param {HistoryStore} store
 * @param {ServerLocation} server
 * @returns {Promise<Session | null>} the newest in which something was said
 */
export async function recover(store, server) {
  const held = await heldLocks();
  const all = await store.sessions();
  const lost = all.filter(({ ended, lock }) => !ended && !held.includes(lock));
  const [newest] = lost;
  for (const session of lost) {
    const isWorthKeeping = session.lines > 0 || session.soundToMs > session.soundFromMs;
    if (session === newest) await complete(store, session, server);
    else if (isWorthKeeping) await store.save(session.id, { ended: true, resume: null }, [], []);
    else await store.remove([session.id]);
  }
  const after = await store.sessions();
  return after.find(({ id, lines }) => lost.some((each) => each.id === id) && lines > 0) ?? null;
}

/** @returns {Promise<(string | undefined)[]>} the locks of sessions whose pages are alive */
export async function heldLocks() {
  return (await navigator.locks?.query())?.held?.map((lock) => lock.name) ?? [];
}

/**
 * @param {HistoryStore} store
 * @param {Session} session
 * @param {ServerLocation} server
 */
async function complete(store, session, server) {
  const { id, resume, updatedAtMs } = session;
  /** @type {Partial<Session>} */
  const changes = { ended: true, resume: null };
  if (resume === null || Date.now() - updatedAtMs > resume.resumeMs) {
    await store.save(id, changes, [], []);
    return;
  }
  const known = (await store.captions(id)).map(({ caption }) => caption);
  const captions = await withRest(server, resume, known.map(withoutCorrections));
  const names = new Names();
  names.goOn(known);
  for (const caption of captions) names.tell(caption);
  const rows = captions.map((caption, index) => ({ session: id, index, caption }));
  const durationMs = Math.max(session.durationMs, captions.at(-1)?.endMs ?? 0);
  const firstWords = session.firstWords || (captions[0]?.words ?? []).map(({ text }) => text).join(" ");
  const grown = { ...changes, durationMs, firstWords, lines: captions.length };
  await store.save(id, grown, rows, []);
}

/** @type {(caption: Caption) => Caption} */
const withoutCorrections = ({ corrections: _, ...caption }) => caption;
