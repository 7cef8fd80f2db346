// @ts-check
/** The dialog of the settings that hold from the next start. */

import { byId, languageName } from "../captions/dom.js";
import { savePreferences } from "./preferences.js";
import { listMicrophones } from "../audio/sources.js";

/** @typedef {import("./preferences.js").Preferences} Preferences */

/** @returns {Promise<HTMLOptionElement[]>} the languages that this server can be asked for */
async function languageOptions() {
  try {
    const { languages = [] } = await (await fetch("/v1/config")).json();
    if (languages.length < 2) return [];
    const named = languages.map((/** @type {string} */ code) => new Option(languageName(code), code));
    named.sort((/** @type {HTMLOptionElement} */ a, /** @type {HTMLOptionElement} */ b) =>
      a.text.localeCompare(b.text),
    );
    return [new Option("Whichever is spoken", "auto"), ...named];
  } catch {
    return []; // The server is away; Start will tell.
  }
}

/** @param {Preferences} preferences */
export function bindSettings(preferences) {
  const dialog = byId("settings", HTMLDialogElement);
  const device = byId("device", HTMLSelectElement);
  const echo = byId("echo", HTMLInputElement);
  const noise = byId("noise", HTMLInputElement);
  const gain = byId("gain", HTMLInputElement);
  const hotWords = byId("hot-words", HTMLInputElement);
  const context = byId("context", HTMLTextAreaElement);
  const language = byId("language", HTMLSelectElement);
  const numbers = byId("numbers", HTMLInputElement);
  const sounds = byId("sounds", HTMLInputElement);
  const translate = byId("translate", HTMLInputElement);
  const speakers = byId("speakers", HTMLInputElement);
  const people = byId("people", HTMLSelectElement);
  const showPeople = () => (people.disabled = !speakers.checked);
  speakers.addEventListener("change", showPeople);
  const vibrate = byId("vibrate", HTMLInputElement);
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
    language.replaceChildren(language.options[0], ...(await languageOptions()));
    language.value = preferences.language;
    if (language.selectedIndex < 0) language.value = "";
    translate.checked = preferences.translate;
    numbers.checked = preferences.numbers;
    sounds.checked = preferences.sounds;
    speakers.checked = preferences.speakers;
    people.value = String(preferences.people);
    showPeople();
    vibrate.checked = preferences.vibrate;
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
      language: language.value,
      translate: translate.checked,
      numbers: numbers.checked,
      sounds: sounds.checked,
      speakers: speakers.checked,
      people: Number(people.value),
      vibrate: vibrate.checked,
    });
    savePreferences(preferences);
  });
}
