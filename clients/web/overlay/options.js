// @ts-check
/** What an overlay's address may say of its looks; the share dialog builds such addresses. */

import { isEmotionShown } from "../captions/emotion-shown.js";

/** @typedef {import("../captions/emotion-shown.js").EmotionShown} EmotionShown */

/**
 * @typedef {object} OverlayOptions
 * @property {number} size pixels
 * @property {number} lines of text at most
 * @property {number} hold seconds that captions stay when nobody speaks any more; 0: for ever
 * @property {string} align `left`, where no word moves when others come, `center` or `right`
 * @property {string} box whether the words stand on a dark box: `on` or `off`
 * @property {EmotionShown} emotion how much of the voice is shown
 * @property {string} names whether it says who speaks, where that is told: `on` or `off`
 * @property {string} messages whether it says what is wrong with its address, or that nobody
 *   speaks: `on` or `off`
 */

/** @type {Record<string, {usual: number, least: number, most: number, step: number}>} */
export const NUMBERS = {
  size: { usual: 48, least: 8, most: 400, step: 1 },
  lines: { usual: 3, least: 1, most: 50, step: 1 },
  hold: { usual: 10, least: 0, most: 3600, step: 0.1 },
};
/** The usual one first.
 *  @type {Record<string, string[]>} */
const CHOICES = {
  align: ["left", "center", "right"],
  box: ["off", "on"],
  emotion: ["subtle", "off", "full", "voice"],
  names: ["on", "off"],
  messages: ["on", "off"],
};
const SESSION = "session";

/**
 * @param {URLSearchParams} query
 * @returns {{options: OverlayOptions, problems: string[]}} what cannot be used is told, a sentence
 *   each, and the usual value stands in its place
 */
export function readOptions(query) {
  /** @type {string[]} */
  const problems = [];
  const known = [...Object.keys(NUMBERS), ...Object.keys(CHOICES)];
  for (const name of new Set(query.keys())) {
    if (name !== SESSION && !known.includes(name)) {
      problems.push(`There is no “${name}”; there are ${known.join(", ")}.`);
    }
  }
  /** @param {string} name */
  const number = (name) => {
    const { usual, least, most } = NUMBERS[name];
    const given = query.get(name);
    if (given === null) return usual;
    const value = given.trim() === "" ? NaN : Number(given);
    if (value >= least && value <= most) return value;
    problems.push(`“${name}” goes from ${least} to ${most}, not ${given || "empty"}.`);
    return usual;
  };
  /** @param {string} name */
  const choice = (name) => {
    const choices = CHOICES[name];
    const given = query.get(name) ?? choices[0];
    if (choices.includes(given)) return given;
    problems.push(`“${name}” is ${choices.join(", ")}, not ${given || "empty"}.`);
    return choices[0];
  };
  const emotion = choice("emotion");
  const options = {
    size: number("size"),
    lines: number("lines"),
    hold: number("hold"),
    align: choice("align"),
    box: choice("box"),
    emotion: isEmotionShown(emotion) ? emotion : "subtle",
    names: choice("names"),
    messages: choice("messages"),
  };
  return { options, problems };
}

/**
 * @param {string} followId
 * @param {OverlayOptions} options
 * @returns {string} the query of an address, without what is usual
 */
export function overlayQuery(followId, options) {
  const usual = readOptions(new URLSearchParams()).options;
  const query = new URLSearchParams({ [SESSION]: followId });
  for (const [name, value] of Object.entries(options)) {
    if (value !== usual[/** @type {keyof OverlayOptions} */ (name)]) query.set(name, String(value));
  }
  return query.toString();
}
