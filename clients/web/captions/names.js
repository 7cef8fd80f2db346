// @ts-check
/** Who says what: voices that the server tells apart, and what the person calls them. No DOM in here. */

/** @typedef {import("../protocol/client.js").WireWord} WireWord */
/** @typedef {import("../protocol/transcript.js").Caption} Caption */
/** @typedef {import("../protocol/transcript.js").Voice} Voice */

/** Of the page that hears both sides. */
export const SIDES = ["You", "Others"];
/** Of pages that follow it: their reader is on neither. */
export const FOLLOWED_SIDES = ["Side 1", "Side 2"];

/** So many looks there are. */
const MAX_LOOKS = 8;

/** The names of one page's sessions. */
export class Names {
  #isTwoSided = false;
  /** What those are called whose voices the server was told of, by their labels.
   *  @type {string[]} */
  known = [];
  /** @type {Map<string, (number | null)[]>} labels on each side: first that of the side itself, null
   *  if nobody's is known, then of others in the order in which they were heard */
  #heard = new Map();
  /** @type {Map<string, string>} */
  #given = new Map();

  /** @param {string[]} sides what they are called until they have names */
  constructor(sides = SIDES) {
    this.sides = sides;
  }

  /** @param {number} channels of the session that begins */
  beginSession(channels) {
    this.#isTwoSided = channels > 1;
  }

  /**
   * Goes on with a session that was kept.
   *
   * @param {Caption[]} known
   */
  goOn(known) {
    this.#isTwoSided = known.some(({ voice }) => voice?.kind === "side");
    for (const caption of known) {
      if (caption.voice && caption.speaker) this.#given.set(key(caption), caption.speaker);
      const label = labelOf(caption.words);
      const heard = this.#heardOn(caption);
      if (label === null || heard.includes(label)) continue;
      if (caption.voice?.kind === "side") heard[0] ??= label;
      else heard.push(label);
    }
  }

  /**
   * Writes into the caption who says it, as far as that is known by now.
   *
   * @param {Caption} caption
   * @param {WireWord[]} tentative behind its committed words
   */
  tell(caption, tentative = []) {
    const label = labelOf([...caption.words, ...tentative]);
    // Whoever is heard first on a side is that side.
    const isSide = this.#isTwoSided && (label === null || this.#nthOn(caption, label) === 0);
    if (isSide) caption.voice = { kind: "side", number: caption.channel ?? 0 };
    else if (label !== null) caption.voice = { kind: "person", number: label };
    else {
      delete caption.voice;
      delete caption.speaker;
      return;
    }
    caption.speaker = this.#given.get(key(caption)) ?? this.#usualName(caption);
  }

  /**
   * Names the voice of a caption from now on, and the caption itself.
   *
   * @param {Caption} caption whose voice is known
   * @param {string} name nothing gives the usual one back
   */
  rename(caption, name) {
    const given = name.replace(/\s+/g, " ").trim();
    if (given === "") this.#given.delete(key(caption));
    else this.#given.set(key(caption), given);
    if (caption.voice) caption.speaker = given || this.#usualName(caption);
  }

  /** @param {Caption} caption whose voice is known */
  #usualName(caption) {
    const { kind = "side", number = 0 } = caption.voice ?? {};
    if (kind === "side") return this.sides[number];
    if (number < this.known.length) return this.known[number];
    if (!this.#isTwoSided) return `Speaker ${number + 1}`;
    return `${this.sides[caption.channel ?? 0]} (${this.#nthOn(caption, number) + 1})`;
  }

  /**
   * @param {Caption} caption
   * @param {number} label
   * @returns {number} of those who are heard on its side; 0 is the side itself, -1 somebody known
   */
  #nthOn(caption, label) {
    if (label < this.known.length) return -1;
    const heard = this.#heardOn(caption);
    if (heard[0] === null && !heard.includes(label)) heard[0] = label;
    else if (!heard.includes(label)) heard.push(label);
    return heard.indexOf(label);
  }

  /** @param {Caption} caption */
  #heardOn({ sessionId, channel = 0 }) {
    const side = `${sessionId} ${channel}`;
    const heard = this.#heard.get(side) ?? [null];
    this.#heard.set(side, heard);
    return heard;
  }
}

/**
 * @param {Caption | undefined} one
 * @param {Caption | undefined} other
 * @returns {boolean} whether both are known to be of the same voice
 */
export function isSameVoice(one, other) {
  return one?.voice !== undefined && other?.voice !== undefined && key(one) === key(other);
}

/**
 * @param {Voice} voice
 * @returns {number} from 0: of its colour and shape
 */
export function lookOf({ number }) {
  return number % MAX_LOOKS;
}

/**
 * @param {string} name
 * @returns {string} a letter or number that stands for it
 */
export function initialOf(name) {
  const counted = /^Speaker (\d+)$/.exec(name) ?? /\((\d+)\)$/.exec(name);
  return counted ? counted[1] : (/[\p{L}\p{N}]/u.exec(name)?.[0] ?? "•").toUpperCase();
}

/**
 * Captions, or cues, in the order in which they begin.
 *
 * @template {{startMs: number}} T
 * @param {T[]} spoken
 * @returns {T[]}
 */
export function inTurn(spoken) {
  return [...spoken].sort((a, b) => a.startMs - b.startMs);
}

/**
 * @param {WireWord[]} words
 * @returns {number | null} of whoever is the first that is known
 */
function labelOf(words) {
  return words.map(({ speaker }) => speaker ?? null).find((label) => label !== null) ?? null;
}

/** @param {Caption} caption */
function key({ sessionId, voice }) {
  return `${sessionId} ${voice?.kind} ${voice?.number}`;
}
