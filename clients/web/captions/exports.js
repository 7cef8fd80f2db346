// @ts-check
/** Captions as files: text, SubRip, WebVTT, JSON lines. All hold committed words only. */

import { cues } from "./cues.js";
import { joinWords } from "../protocol/transcript.js";

/** @typedef {import("../protocol/transcript.js").Caption} Caption */

/** @param {Caption[]} captions */
export function toText(captions) {
  return captions.map((caption) => `${joinWords(caption.words)}\n`).join("");
}

/** @param {Caption[]} captions */
export function toJsonLines(captions) {
  return captions.map((caption) => `${JSON.stringify(captionRecord(caption))}\n`).join("");
}

/**
 * The format knows no escapes; an arrow in the text is replaced.
 *
 * @param {Caption[]} captions
 */
export function toSubRip(captions) {
  return cues(captions)
    .map(({ startMs, endMs, lines }, index) => {
      const text = lines.join("\n").replaceAll("-->", "→");
      return `${index + 1}\n${timestamp(startMs, ",")} --> ${timestamp(endMs, ",")}\n${text}\n`;
    })
    .join("\n");
}

/**
 * The emotion is the class of a span (`<c.happy>`), so that a page can style it.
 *
 * @param {Caption[]} captions
 */
export function toWebVtt(captions) {
  const blocks = cues(captions).map(({ startMs, endMs, lines, emotion }) => {
    const escaped = lines.join("\n").replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
    const text = emotion ? `<c.${emotion}>${escaped}</c>` : escaped;
    return `${timestamp(startMs, ".")} --> ${timestamp(endMs, ".")}\n${text}\n`;
  });
  return ["WEBVTT\n", ...blocks].join("\n");
}

/** @param {Caption} caption */
function captionRecord(caption) {
  return {
    session_id: caption.sessionId,
    segment_id: caption.segmentId,
    start_s: seconds(caption.startMs),
    end_s: seconds(caption.endMs),
    text: joinWords(caption.words),
    final: caption.final,
    ...(caption.emotion ? { emotion: caption.emotion } : {}),
    words: caption.words.map((word) => ({
      text: word.text,
      start_s: seconds(word.start_ms),
      end_s: seconds(word.end_ms),
      confidence: word.confidence,
      ...(word.decision ? { decision: word.decision } : {}),
      ...(typeof word.loudness === "number" ? { loudness: word.loudness } : {}),
      ...(typeof word.pitch === "number" ? { pitch: word.pitch } : {}),
    })),
  };
}

/** @param {number} ms */
function seconds(ms) {
  return Math.round(ms) / 1000;
}

/**
 * @param {number} ms
 * @param {string} decimalMark
 * @returns {string} hh:mm:ss and milliseconds
 */
function timestamp(ms, decimalMark) {
  const total = Math.max(0, Math.round(ms));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const parts = [total / 3_600_000, (total / 60_000) % 60, (total / 1000) % 60];
  const millis = String(total % 1000).padStart(3, "0");
  return `${parts.map((part) => two(Math.floor(part))).join(":")}${decimalMark}${millis}`;
}
