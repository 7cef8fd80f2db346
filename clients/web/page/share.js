// @ts-check
/** The dialog with the addresses under which others see this page's captions. */

import { byId } from "../captions/dom.js";
import { isEmotionShown } from "../captions/emotion-shown.js";
import { overlayQuery } from "../overlay/options.js";
import { OverlayBuilder } from "./overlay-builder.js";
import { newSecret, savePreferences } from "./preferences.js";
import { isLocal, qrCode, whyLocal } from "./reachable.js";

/** @typedef {import("../protocol/client.js").ServerLocation} ServerLocation */
/** @typedef {import("./preferences.js").Preferences} Preferences */

export class ShareDialog {
  /** the address that the code on the page leads to */
  #coded = "";

  /**
   * @param {Preferences} preferences
   * @param {{location: ServerLocation}} server where it is, with the token
   */
  constructor(preferences, server) {
    this.preferences = preferences;
    this.server = server;
    this.said = byId("share-said", HTMLElement);
    this.renew = byId("share-renew", HTMLButtonElement);
    this.code = byId("reader-qr", HTMLImageElement);
    this.dialog = byId("share", HTMLDialogElement);
    const say = (/** @type {string} */ said) => (this.said.textContent = said);
    this.reader = new SharedAddress("reader-address", "reader-view", "reader-copy", say);
    this.overlay = new SharedAddress("share-address", "share-view", "share-copy", say);
    this.builder = new OverlayBuilder(() => this.#show(""));
    byId("share-open", HTMLButtonElement).addEventListener("click", () => this.#open());
    if (isLocal(window.location)) void this.#warn();
    this.renew.addEventListener("click", () => {
      this.#keep({ shareSecret: newSecret(), followId: "" });
      this.#show("Whoever has an old address sees nothing more from your next start on.");
    });
    this.#show("");
  }

  /**
   * @param {string} followId of the session that has begun; it stays the same as long as the
   *   secret does
   */
  follow(followId) {
    this.#keep({ followId });
    this.#show("");
  }

  /** The addresses tell how much of the voice is shown. */
  redraw() {
    this.#show(this.said.textContent ?? "");
  }

  #open() {
    const { followId } = this.preferences;
    this.dialog.showModal();
    this.#show(followId ? "" : "Press Start once, then the addresses are here.");
  }

  /** When the page opens: what came into an open dialog would move what is about to be clicked. */
  async #warn() {
    const warning = byId("share-local", HTMLElement);
    warning.textContent = await whyLocal();
    warning.hidden = false;
  }

  /** @param {Partial<Preferences>} changed */
  #keep(changed) {
    Object.assign(this.preferences, changed);
    savePreferences(this.preferences);
  }

  /** @param {string} said */
  #show(said) {
    const { followId, emotionShown } = this.preferences;
    const shown = isEmotionShown(emotionShown) ? emotionShown : "subtle";
    const { options, problems } = this.builder.read(shown);
    const reading = new URLSearchParams({ session: followId });
    if (shown !== "subtle") reading.set("emotion", shown);
    this.reader.show(followId && `/read?${reading}`);
    this.overlay.show(followId && `/overlay?${overlayQuery(followId, options)}`);
    this.renew.disabled = !followId;
    this.said.textContent = [...problems, said].filter(Boolean).join(" ");
    if (this.dialog.open) void this.#draw(this.reader.address);
  }

  /** @param {string} address */
  async #draw(address) {
    if (address === this.#coded) return;
    this.#coded = address;
    this.code.removeAttribute("src");
    this.code.hidden = address === ""; // else its place waits for it, so that nothing moves
    const picture = address && (await qrCode(address, this.server.location));
    if (address !== this.#coded) return;
    if (picture) this.code.src = picture;
    else this.code.hidden = true;
  }
}

/** A field with an address, a link to it, and a button that copies it. */
class SharedAddress {
  /**
   * @param {string} field
   * @param {string} view
   * @param {string} copy
   * @param {(said: string) => void} say
   */
  constructor(field, view, copy, say) {
    this.field = byId(field, HTMLInputElement);
    this.view = byId(view, HTMLAnchorElement);
    this.copy = byId(copy, HTMLButtonElement);
    this.copy.addEventListener("click", () => void this.#copy(say));
  }

  get address() {
    return this.field.value;
  }

  /** @param {string} path empty: there is none yet */
  show(path) {
    this.field.value = path && window.location.origin + path;
    this.view.href = this.field.value;
    this.view.hidden = this.copy.disabled = !path;
  }

  /** @param {(said: string) => void} say */
  async #copy(say) {
    this.field.select();
    try {
      await navigator.clipboard.writeText(this.address);
      say("Copied.");
    } catch {
      // Pages that are not secure, and browsers that were told so, have no clipboard.
      say("The browser does not let the page copy. Copy the marked address.");
    }
  }
}
