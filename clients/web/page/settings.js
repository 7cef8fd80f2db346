// @ts-check
/** The dialog of the settings that hold from the next start. */

import { byId } from "../captions/dom.js";
import { savePreferences } from "./preferences.js";
import { listMicrophones } from "../audio/sources.js";

/** @typedef {import("./preferences.js").Preferences} Preferences */

/** @param {Preferences} preferences */
export function bindSettings(preferences) {
  const dialog = byId("settings", HTMLDialogElement);
  const device = byId("device", HTMLSelectElement);
  const echo = byId("echo", HTMLInputElement);
  const noise = byId("noise", HTMLInputElement);
  const gain = byId("gain", HTMLInputElement);
  const hotWords = byId("hot-words", HTMLInputElement);
  const context = byId("context", HTMLTextAreaElement);
  byId("settings-open", HTMLButtonElement).addEventListener("click", async () => {
    const options = (await listMicrophones()).map((found) => new Option(found.label, found.deviceId));
    device.replaceChildren(device.options[0], ...options);
    device.value = preferences.deviceId;
    if (device.selectedIndex < 0) device.value = "";
    echo.checked = preferences.echoCancellation;
    noise.checked = preferences.noiseSuppression;
    gain.checked = preferences.autoGainControl;
    hotWords.value = preferences.hotWords;
    context.value = preferences.context;
    dialog.showModal();
  });
  dialog.addEventListener("close", () => {
    Object.assign(preferences, {
      deviceId: device.value,
      echoCancellation: echo.checked,
      noiseSuppression: noise.checked,
      autoGainControl: gain.checked,
      hotWords: hotWords.value,
      context: context.value,
    });
    savePreferences(preferences);
  });
}
