// @ts-check
/** A small face and a word: what stands at a segment that is emotional. */

import { element } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const EYES = "M5.5 6.5v.01M10.5 6.5v.01";

/** Strokes inside a circle of 16 by 16.
 *  @type {Record<string, string>} */
const FACES = {
  happy: `${EYES}M4.8 9.5c1.4 2.4 5 2.4 6.4 0`,
  sad: `${EYES}M4.8 11.6c1.4-2 5-2 6.4 0`,
  angry: "M4.2 5l2.6 1.4M11.8 5L9.2 6.4M5.8 7.5v.01M10.2 7.5v.01M5 11.4h6",
  fearful: `${EYES}M6.6 11a1.4 1.4 0 1 0 2.8 0a1.4 1.4 0 1 0-2.8 0`,
  disgust: `${EYES}M4.6 11c1-1.4 1.8 1 2.8-.2s1.8 1 2.8-.2.8-.2 1-.2`,
};

/** @param {string} label */
export function emotionMark(label) {
  const mark = element("span", "emotion", label);
  const strokes = FACES[label];
  if (strokes !== undefined) mark.prepend(face(strokes));
  return mark;
}

/** @param {string} strokes */
function face(strokes) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", `M1 8a7 7 0 1 0 14 0a7 7 0 1 0-14 0${strokes}`);
  svg.append(path);
  return svg;
}
