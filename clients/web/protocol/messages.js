// @ts-check
/** What goes over the websocket: audio frames and JSON events. */

/** @typedef {import("./client.js").Chunk} Chunk */
/** @typedef {import("./client.js").ServerEvent} ServerEvent */

export const PROTOCOL_VERSION = 1;
const HEADER_BYTES = 24;

/**
 * @param {number} seq
 * @param {Chunk} chunk
 */
export function encodeFrame(seq, { sampleOffset, captureTimeMs, samples }) {
  const frame = new ArrayBuffer(HEADER_BYTES + 2 * samples.length);
  const view = new DataView(frame);
  view.setUint8(0, 0x53); // "S"
  view.setUint8(1, 0x41); // "A"
  view.setUint8(2, PROTOCOL_VERSION);
  view.setUint8(3, 0);
  view.setUint32(4, seq >>> 0, true);
  view.setBigUint64(8, BigInt(sampleOffset), true);
  view.setFloat64(16, captureTimeMs, true);
  for (let i = 0; i < samples.length; i += 1) {
    const clipped = Math.max(-1, Math.min(1, samples[i]));
    view.setInt16(HEADER_BYTES + 2 * i, Math.round(clipped * 32767), true);
  }
  return frame;
}

/**
 * @param {unknown} data
 * @returns {ServerEvent | null}
 */
export function parseEvent(data) {
  if (typeof data !== "string") return null;
  try {
    const event = JSON.parse(data);
    return typeof event?.type === "string" ? event : null;
  } catch {
    return null;
  }
}
