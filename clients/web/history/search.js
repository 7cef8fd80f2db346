// @ts-check
/** Finds what was said. No DOM in here. */

const AROUND_CHARS = 40;

/** @typedef {{before: string, match: string, after: string}} Excerpt */

/**
 * @param {string} query as typed
 * @returns {RegExp | null} that finds it in any case, over any white space; null if it is empty
 */
export function pattern(query) {
  const parts = query.split(/\s+/).filter((part) => part !== "");
  if (parts.length === 0) return null;
  return new RegExp(parts.map((part) => part.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")).join("\\s+"), "iu");
}

/**
 * @param {string} text
 * @param {RegExp} wanted
 * @returns {Excerpt | null} the first place where it was said, with what is around it
 */
export function excerpt(text, wanted) {
  const found = wanted.exec(text);
  if (found === null) return null;
  const [start, end] = [found.index, found.index + found[0].length];
  const from = Math.max(0, start - AROUND_CHARS);
  const to = Math.min(text.length, end + AROUND_CHARS);
  return {
    before: (from > 0 ? "…" : "") + text.slice(from, start),
    match: found[0],
    after: text.slice(end, to) + (to < text.length ? "…" : ""),
  };
}
