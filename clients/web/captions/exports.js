// @ts-check
/** Captions as files: text, SubRip, WebVTT, JSON lines. All hold committed words only, as they were
 *  corrected; JSON lines hold what was heard, and what was corrected. */

import { corrected } from "./corrections.js";
import { cues } from "./cues.js";
import { clock, timeOfDay } from "./dom.js";
import { volume } from "./emotion-shown.js";
import { inTurn } from "./names.js";
import { joinTexts, joinWords } from "../protocol/transcript.js";

/** @typedef {import("./cues.js").Piece} Piece */
/** @typedef {import("./emotion-shown.js").EmotionShown} EmotionShown */
/** @typedef {import("../protocol/transcript.js").Caption} Caption */

/**
 * `shown`: of the voice. `isTimed`: whether lines of text begin with the time of day, or where it
 * is unknown with that of the sound.
 *
 * @typedef {{shown: EmotionShown, isTimed: boolean}} ExportOptions
 */

/** @type {Record<"txt" | "srt" | "vtt" | "jsonl",
 *   {type: string, write: (captions: Caption[], options: ExportOptions) => string}>} */
export const TEXT_FORMATS = {
  txt: { type: "text/plain", write: (captions, { isTimed }) => toText(captions, isTimed) },
  srt: { type: "application/x-subrip", write: (captions, { shown }) => toSubRip(captions, shown) },
  vtt: { type: "text/vtt", write: (captions, { shown }) => toWebVtt(captions, shown) },
  jsonl: { type: "application/jsonl", write: toJsonLines },
};

/**
 * @param {Caption[]} captions
 * @param {boolean} isTimed
 */
export function toText(captions, isTimed) {
  const name = namesAtChanges();
  return inTurn(captions)
    .map((caption) => {
      const { epochMs, startMs, speaker } = caption;
      const time = epochMs === null ? clock(startMs) : timeOfDay(epochMs);
      const text = joinWords(corrected(caption).words);
      return `${isTimed ? `[${time}] ` : ""}${name(speaker)}${text}\n`;
    })
    .join("");
}

/** @param {Caption[]} captions */
export function toJsonLines(captions) {
  const record = (/** @type {Caption} */ caption) => (caption.sound ? soundRecord : captionRecord)(caption);
  return inTurn(captions).map((caption) => `${JSON.stringify(record(caption))}\n`).join("");
}

/**
 * The format knows no escapes; an arrow in the text is replaced, and loud words are bold, which
 * players take.
 *
 * @param {Caption[]} captions
 * @param {EmotionShown} shown of the voice
 */
export function toSubRip(captions, shown) {
  const written = (/** @type {Piece} */ piece) => {
    const text = piece.text.replaceAll("-->", "→");
    return shown === "voice" && volume(piece.loudness) === "loud" ? `<b>${text}</b>` : text;
  };
  const name = namesAtChanges();
  return cues(captions.map(corrected), shown !== "off")
    .map(({ startMs, endMs, lines, speaker }, index) => {
      const text = lines.map((line) => joinPieces(line, written)).join("\n");
      const said = `${name(speaker).replaceAll("-->", "→")}${text}`;
      return `${index + 1}\n${timestamp(startMs, ",")} --> ${timestamp(endMs, ",")}\n${said}\n\n`;
    })
    .join("");
}

/**
 * With who speaks (`<v Ada>`), and classes of spans that a page can style: the emotion (`<c.happy>`) of every cue, or the
 * volume (`<c.loud>`, `<c.soft>`) of words.
 *
 * @param {Caption[]} captions
 * @param {EmotionShown} shown of the voice
 */
export function toWebVtt(captions, shown) {
  const written = (/** @type {Piece} */ piece) => {
    const text = escaped(piece.text);
    return shown === "voice" ? inClass(volume(piece.loudness), text) : text;
  };
  const tagged = shown === "subtle" || shown === "voice";
  const blocks = cues(captions.map(corrected), tagged).map((cue) => {
    const all = cue.lines.map((line) => joinPieces(line, written)).join("\n");
    const text = shown === "full" ? inClass(cue.emotion, all) : all;
    const said = cue.speaker ? `<v ${escaped(cue.speaker)}>${text}` : text;
    return `${timestamp(cue.startMs, ".")} --> ${timestamp(cue.endMs, ".")}\n${said}\n\n`;
  });
  return ["WEBVTT\n\n", ...blocks].join("");
}

/** @returns {(speaker?: string) => string} in front of what each says, in order */
function namesAtChanges() {
  let newest = "";
  return (speaker = "") => {
    const changed = speaker !== "" && speaker !== newest;
    newest = speaker || newest;
    return changed ? `${speaker}: ` : "";
  };
}

/** @param {string} text in WebVTT */
function escaped(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

/**
 * @param {Piece[]} line
 * @param {(piece: Piece) => string} written how a word of it is written
 */
function joinPieces(line, written) {
  return line
    .map((piece, i) => {
      const before = i > 0 ? line[i - 1].text : "";
      const space = joinTexts(before, piece.text).length - before.length - piece.text.length;
      return " ".repeat(space) + written(piece);
    })
    .join("");
}

/**
 * @param {string} name
 * @param {string} text
 */
function inClass(name, text) {
  return name === "" ? text : `<c.${name}>${text}</c>`;
}

/** @param {Caption} caption of a sound; without an end it goes on, or went on to the end */
function soundRecord({ sessionId, sound, startMs, endMs, epochMs }) {
  return {
    session_id: sessionId,
    sound,
    start_s: seconds(startMs),
    ...(endMs > startMs ? { end_s: seconds(endMs) } : {}),
    ...(epochMs === null ? {} : { time: new Date(epochMs).toISOString() }),
  };
}

/** @param {Caption} caption */
function captionRecord(caption) {
  return {
    session_id: caption.sessionId,
    segment_id: caption.segmentId,
    start_s: seconds(caption.startMs),
    end_s: seconds(caption.endMs),
    ...(caption.epochMs === null ? {} : { time: new Date(caption.epochMs).toISOString() }),
    ...(caption.speaker ? { speaker: caption.speaker } : {}),
    text: joinWords(caption.words),
    ...(caption.corrections?.length ? correctionRecord(caption) : {}),
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

/** @param {Caption} caption */
function correctionRecord(caption) {
  return { corrected_text: joinWords(corrected(caption).words), corrections: caption.corrections };
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
