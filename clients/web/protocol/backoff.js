// @ts-check
/** How long to wait before the next attempt to get back to the server. */

const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 5_000;

/**
 * Random, between half of the nominal delay and all of it: clients that were cut together must
 * not come back together. The first is shorter still, as most cuts are short.
 *
 * @param {number} attempt
 */
export function retryDelayMs(attempt) {
  if (attempt === 0) return Math.random() * FIRST_DELAY_MS;
  return Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt) * (0.5 + 0.5 * Math.random());
}
