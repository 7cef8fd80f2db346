// @ts-check
/** How the reader likes it, kept in the browser: apart from the speaker's settings, who may use the
 *  same one. */

import { byId, store, stored } from "../captions/dom.js";
import { READING, TEXT_SIZES_REM, applyReading } from "../page/reading/reading.js";

/** @typedef {import("../page/reading/reading.js").Reading} Reading */

const STORAGE_KEY = "streamer.reader";
/** Most read on a phone.
 *  @type {Reading} */
const DEFAULTS = { ...READING, textSize: 2 };

/** Shows them, puts them into effect, and keeps what the reader changes. */
export function bindReaderSettings() {
  /** @type {Reading} */
  const reading = { ...DEFAULTS, ...stored(STORAGE_KEY) };
  const size = byId("reader-size", HTMLInputElement);
  const spacing = byId("reader-spacing", HTMLSelectElement);
  const font = byId("reader-font", HTMLSelectElement);
  const theme = byId("reader-theme", HTMLSelectElement);
  size.max = String(TEXT_SIZES_REM.length - 1);
  size.value = String(reading.textSize);
  spacing.value = reading.spacing;
  font.value = reading.font;
  theme.value = reading.theme;
  for (const field of [size, spacing, font, theme]) {
    field.addEventListener("input", () => {
      reading.textSize = Number(size.value);
      reading.spacing = spacing.value;
      reading.font = font.value;
      reading.theme = theme.value;
      applyReading(reading, document.documentElement);
      store(STORAGE_KEY, reading);
    });
  }
  applyReading(reading, document.documentElement);
}
