// @ts-check
/** Words to expect for the rest of the session, and on agreement in later ones. */

/** @typedef {{label: string, run: () => void}} Action */
/** @typedef {{show: (key: string, severity: "info", message: string, action: Action | null) => void}} Notices */
/** @typedef {import("../protocol/client.js").StreamClient} StreamClient */

const MAX_WORDS = 100;

export class ExpectedWords {
  /** @type {string[]} of this session alone */
  #added = [];

  /**
   * @param {Notices} notices
   * @param {{list: () => string[], add: (words: string[]) => void}} settings those of every session
   */
  constructor(notices, settings) {
    this.notices = notices;
    this.settings = settings;
    /** @type {StreamClient | null} of the session that runs */
    this.client = null;
  }

  /** @param {StreamClient} client of a session that begins */
  begin(client) {
    this.client = client;
    this.#added = [];
  }

  /** @param {string[]} words that a correction brought */
  offer(words) {
    if (words.length === 0) return;
    const action = { label: "Expect", run: () => this.expect(words) };
    this.notices.show("expect", "info", `Corrected. Expect ${quoted(words)} from now on?`, action);
  }

  /** @param {string[]} words from here on */
  expect(words) {
    if (this.client !== null) {
      this.#added = [...new Set([...this.#added, ...words])];
      const hotWords = [...new Set([...this.#added, ...this.settings.list()])].slice(0, MAX_WORDS);
      this.client.configure({ hotWords });
    }
    const told = this.client !== null
      ? `${quoted(words)} is expected for the rest of this session.`
      : `${quoted(words)} can be expected from the next start on.`;
    const action = { label: "Keep in settings", run: () => this.settings.add(words) };
    this.notices.show("expect", "info", told, action);
  }
}

/** @param {string[]} words */
function quoted(words) {
  return words.map((word) => `“${word}”`).join(", ");
}
