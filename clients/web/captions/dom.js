// @ts-check
/** The few things that every view does with the page, and with what the browser keeps for it. */

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  const node = document.getElementById(id);
  if (!(node instanceof type)) throw new Error(`the page lacks #${id}`);
  return node;
}

/**
 * @param {string} name
 * @param {string} className
 * @param {string} text
 */
export function element(name, className, text = "") {
  const node = document.createElement(name);
  node.className = className;
  node.textContent = text;
  return node;
}

/**
 * @param {string} label
 * @param {() => void} run
 */
export function quietButton(label, run) {
  const node = document.createElement("button");
  node.type = "button";
  node.className = "quiet";
  node.textContent = label;
  node.addEventListener("click", run);
  return node;
}

/**
 * @param {number} ms
 * @returns {string} as on a clock: m:ss, or h:mm:ss
 */
export function clock(ms) {
  const total = Math.floor(ms / 1000);
  const [hours, minutes] = [Math.floor(total / 3600), Math.floor(total / 60) % 60];
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return `${hours > 0 ? `${hours}:${two(minutes)}` : minutes}:${two(total % 60)}`;
}

/**
 * @param {number} epochMs
 * @returns {string} hh:mm:ss, here
 */
export function timeOfDay(epochMs) {
  const date = new Date(epochMs);
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

/** @returns {string} the time of day as people here write it, without seconds */
export function timeNow() {
  return new Date().toLocaleTimeString([], { timeStyle: "short" });
}

/**
 * @param {string} key
 * @returns {Record<string, any>} what `store` kept under it; nothing if storage is forbidden, or
 *   holds something else
 */
export function stored(key) {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "{}") ?? {};
  } catch {
    return {};
  }
}

/**
 * If storage is forbidden it holds for this visit only.
 *
 * @param {string} key
 * @param {object} value
 */
export function store(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // See above.
  }
}

/** @param {number} ms */
export function duration(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/**
 * @param {string} code
 * @returns {string} the language's name in English
 */
export function languageName(code) {
  return new Intl.DisplayNames(["en"], { type: "language" }).of(code) ?? code;
}

const KEEP_URL_MS = 60_000;

/**
 * Hands a file to the person.
 *
 * @param {Blob} blob
 * @param {string} suffix
 * @param {Date} when it was said
 */
export function download(blob, suffix, when) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `captions-${when.toISOString().slice(0, 16).replace(":", "-")}.${suffix}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEEP_URL_MS);
}
