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
    }
  }

  /**
   * Writes into the caption who says it, as far as that is known by now.
   *
   * @param {Caption} caption
   * @param {WireWord[]} tentative behind its committed words
   */
  tell(caption, tentative = []) {
    const labels = [...caption.words, ...tentative].map(({ speaker }) => speaker ?? null);
    const label = labels.find((each) => each !== null);
    if (this.#isTwoSided) caption.voice = { kind: "side", number: caption.channel ?? 0 };
    else if (label !== undefined && label !== null) caption.voice = { kind: "person", number: label };
    else {
      delete caption.voice;
      delete caption.speaker;
      return;
    }
    caption.speaker = this.#given.get(key(caption)) ?? this.#usualName(caption.voice);
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
    if (caption.voice) caption.speaker = given || this.#usualName(caption.voice);
  }

  /** @param {Voice} voice */
  #usualName({ kind, number }) {
    if (kind === "side") return this.sides[number];
    return this.known[number] ?? `Speaker ${number + 1}`;
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
  const counted = /^Speaker (\d+)$/.exec(name);
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

/** @param {Caption} caption */
function key({ sessionId, voice }) {
  return `${sessionId} ${voice?.kind} ${voice?.number}`;
}
