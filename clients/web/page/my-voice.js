// @ts-check
/** The voice of whoever uses the page: recorded once, kept in this browser as numbers, and known by them. */

import { CaptureError } from "../audio/capture.js";
import { pcm16, toWav } from "../audio/recording.js";
import { captureMicrophone } from "../audio/sources.js";
import { byId } from "../captions/dom.js";
import { authorization } from "../protocol/address.js";
import { savePreferences } from "./preferences.js";

/** @typedef {import("../protocol/client.js").ServerLocation} ServerLocation */
/** @typedef {import("../protocol/transcript.js").Caption} Caption */
/** @typedef {import("../audio/recording.js").Recording} Recording */
/** @typedef {import("./preferences.js").Preferences} Preferences */

const RECORDED_S = 6;
/** So much of a speaker's newest lines is enough. */
const CLAIMED_MS = 20_000;

export class MyVoice {
  #record = byId("voice-record", HTMLButtonElement);
  #forget = byId("voice-forget", HTMLButtonElement);
  #name = byId("voice-name", HTMLInputElement);
  #said = byId("voice-said", HTMLElement);

  /**
   * @param {Preferences} preferences
   * @param {{location: ServerLocation}} token
   * @param {Recording} recording of the page
   */
  constructor(preferences, token, recording) {
    this.preferences = preferences;
    this.token = token;
    this.recording = recording;
    this.#name.value = preferences.voiceName;
    this.#name.addEventListener("change", () => {
      this.preferences.voiceName = this.#name.value.replace(/\s+/g, " ").trim() || "Me";
      this.#name.value = this.preferences.voiceName;
      savePreferences(this.preferences);
    });
    this.#record.addEventListener("click", () => void this.#recordNow());
    this.#forget.addEventListener("click", () => this.#keep("", "Your voice is forgotten, here and everywhere."));
    this.#show();
  }

  /** What the person is called. */
  get name() {
    return this.preferences.voiceName;
  }

  /**
   * The person has said these.
   *
   * @param {Caption[]} captions oldest first, as far as their sound is still there
   * @returns {Promise<string>} what came of it
   */
  async claim(captions) {
    let leftMs = CLAIMED_MS;
    const newest = [...captions].reverse().filter(({ startMs, endMs }) => {
      const isWanted = leftMs > 0;
      leftMs -= endMs - startMs;
      return isWanted;
    });
    return this.#learn(this.recording.cut(newest));
  }

  async #recordNow() {
    this.#record.disabled = true;
    try {
      this.#said.textContent = await this.#learn(await this.#hear());
    } catch (error) {
      const known = error instanceof CaptureError;
      this.#said.textContent = known ? error.message : `The microphone could not be heard (${error}).`;
    } finally {
      this.#record.disabled = false;
    }
  }

  /** @returns {Promise<Blob>} some seconds of the microphone */
  async #hear() {
    /** @type {Int16Array<ArrayBuffer>[]} */
    const parts = [];
    let samples = 0;
    /** @type {() => void} */
    let finish = () => {};
    const heard = new Promise((resolve) => (finish = () => resolve(undefined)));
    let sampleRate = Infinity;
    const capture = await captureMicrophone(this.preferences, {
      onChunk: (chunk) => {
        parts.push(pcm16(chunk.samples));
        samples += chunk.samples.length;
        const leftS = Math.ceil(RECORDED_S - samples / sampleRate);
        this.#said.textContent = `Say something, whatever it is: ${leftS} s more.`;
        if (leftS <= 0) finish();
      },
      onEnded: finish,
      onMuted: () => {},
    });
    sampleRate = capture.sampleRate;
    await heard;
    await capture.stop();
    return toWav({ startMs: 0, sampleRate, parts });
  }

  /**
   * @param {Blob} sound
   * @returns {Promise<string>} what came of it
   */
  async #learn(sound) {
    const headers = authorization(this.token.location);
    try {
      const answer = await fetch("/v1/voice", { method: "POST", headers, body: sound });
      if (!answer.ok) return `Your voice is not known yet: ${(await answer.text()).trim()}.`;
      const { voice } = await answer.json();
      byId("speakers", HTMLInputElement).checked = this.preferences.speakers = true;
      const said = `From the next start on you are told apart as “${this.name}”.`;
      this.#keep(voice, said);
      return said;
    } catch {
      return "Your voice is not known yet: the server cannot be reached.";
    }
  }

  /**
   * @param {string} voice
   * @param {string} said
   */
  #keep(voice, said) {
    this.preferences.voice = voice;
    savePreferences(this.preferences);
    this.#said.textContent = said;
    this.#show();
  }

  #show() {
    const isKnown = this.preferences.voice !== "";
    this.#forget.hidden = !isKnown;
    this.#record.textContent = isKnown ? "Record my voice again" : "Record my voice";
  }
}
