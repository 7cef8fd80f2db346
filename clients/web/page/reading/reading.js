// @ts-check
/** How captions look to the one who reads them: letters, room, colours, and what is guessed yet. */

export const TEXT_SIZES_REM = [1.125, 1.375, 1.625, 2, 2.5, 3.25, 4.25];

/** What the button in the page's head goes through. */
const THEMES = ["auto", "light", "dark", "contrast"];

/** Letters that are hard to take for one another, if the system has such. */
const EASY = 'OpenDyslexic, "Atkinson Hyperlegible", Lexend, "Comic Sans MS", "Comic Neue", Verdana, sans-serif';

/** @type {Record<string, string>} */
const FONTS = {
  sans: 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif',
  serif: 'Charter, "Iowan Old Style", Georgia, "Noto Serif", serif',
  easy: EASY,
  mono: 'ui-monospace, "Cascadia Mono", Menlo, "DejaVu Sans Mono", monospace',
};
/** @type {Record<string, number>} */
const SPACINGS = { tight: 1.15, usual: 1.35, wide: 1.6, wider: 2 };
/** @type {Record<string, string>} */
const WIDTHS = { narrow: "34rem", usual: "60rem", wide: "84rem", full: "none" };

/**
 * `lines`: the most lines of text in sight; 0: as many as there is room for. `tentative`: `dimmed`,
 * `plain` or `hidden`. `ink` and `paper`: of the theme `own`.
 *
 * @typedef {{theme: string, textSize: number, font: string, spacing: string, width: string,
 *   lines: number, tentative: string, ink: string, paper: string}} Reading
 */

/** @type {Reading} */
export const READING = {
  theme: "auto",
  textSize: 3,
  font: "sans",
  spacing: "usual",
  width: "usual",
  lines: 0,
  tentative: "dimmed",
  ink: "#f5e6c8",
  paper: "#1d2433",
};

/**
 * Puts it into effect.
 *
 * @param {Reading} reading
 * @param {HTMLElement} root of the page, or of another window with captions
 */
export function applyReading(reading, root) {
  root.dataset.theme = reading.theme;
  root.dataset.tentative = reading.tentative;
  root.dataset.font = reading.font;
  root.toggleAttribute("data-few-lines", reading.lines > 0);
  const sizeRem = TEXT_SIZES_REM[reading.textSize] ?? TEXT_SIZES_REM[READING.textSize];
  const isOwn = reading.theme === "own";
  const values = {
    "--caption-size": `${sizeRem}rem`,
    "--caption-font": FONTS[reading.font] ?? FONTS.sans,
    "--caption-spacing": String(SPACINGS[reading.spacing] ?? SPACINGS.usual),
    "--caption-width": WIDTHS[reading.width] ?? WIDTHS.usual,
    "--caption-lines": String(reading.lines),
    "--ink": isOwn ? reading.ink : "",
    "--paper": isOwn ? reading.paper : "",
    "color-scheme": isOwn ? (luminance(reading.paper) > 0.3 ? "light" : "dark") : "",
  };
  for (const [name, value] of Object.entries(values)) root.style.setProperty(name, value);
}

/** @param {string} theme */
export function nextTheme(theme) {
  return THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
}

/**
 * @param {number} textSize
 * @param {number} step
 */
export function steppedTextSize(textSize, step) {
  return Math.max(0, Math.min(TEXT_SIZES_REM.length - 1, textSize + step));
}

/**
 * @param {string} ink `#rrggbb`, as `paper`
 * @param {string} paper
 * @returns {number} the contrast by WCAG, from 1 to 21
 */
export function contrast(ink, paper) {
  const [less, more] = [luminance(ink), luminance(paper)].sort((a, b) => a - b);
  return (more + 0.05) / (less + 0.05);
}

/**
 * @param {string} color `#rrggbb`
 * @returns {number} relative luminance by WCAG, from 0 to 1
 */
function luminance(color) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const share = parseInt(color.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
