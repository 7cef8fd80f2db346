// @ts-check
/** The dialog with the address of the overlay, which shows this page's captions alone. */

import { byId } from "../captions/dom.js";
import { newSecret, savePreferences } from "./preferences.js";

/** @typedef {import("./preferences.js").Preferences} Preferences */

export class ShareDialog {
  /** @param {Preferences} preferences */
  constructor(preferences) {
    this.preferences = preferences;
    this.address = byId("share-address", HTMLInputElement);
    this.copy = byId("share-copy", HTMLButtonElement);
    this.open = byId("share-view", HTMLAnchorElement);
    this.renew = byId("share-renew", HTMLButtonElement);
    this.said = byId("share-said", HTMLElement);
    const dialog = byId("share", HTMLDialogElement);
    byId("share-open", HTMLButtonElement).addEventListener("click", () => {
      this.#show(this.#unknown);
      dialog.showModal();
    });
    this.copy.addEventListener("click", () => void this.#copy());
    this.renew.addEventListener("click", () => {
      this.#keep({ shareSecret: newSecret(), followId: "" });
      this.#show("Whoever has the old address sees nothing more from your next start on.");
    });
  }

  /**
   * @param {string} followId of the session that has begun; it stays the same as long as the
   *   secret does
   */
  follow(followId) {
    this.#keep({ followId });
    this.#show("");
  }

  /** The address tells how much of the voice the overlay shows. */
  redraw() {
    this.#show(this.said.textContent ?? "");
  }

  get #unknown() {
    return this.preferences.followId ? "" : "Press Start once, then the address is here.";
  }

  /** @param {Partial<Preferences>} changed */
  #keep(changed) {
    Object.assign(this.preferences, changed);
    savePreferences(this.preferences);
  }

  /** @param {string} said */
  #show(said) {
    const { followId, emotionShown } = this.preferences;
    const query = new URLSearchParams({ session: followId });
    if (emotionShown !== "" && emotionShown !== "subtle") query.set("emotion", emotionShown);
    this.address.value = followId ? `${window.location.origin}/overlay?${query}` : "";
    this.open.href = this.address.value;
    this.open.hidden = !followId;
    this.copy.disabled = this.renew.disabled = !followId;
    this.said.textContent = said;
  }

  async #copy() {
    this.address.select();
    try {
      await navigator.clipboard.writeText(this.address.value);
      this.said.textContent = "Copied.";
    } catch {
      // Pages that are not secure, and browsers that were told so, have no clipboard.
      this.said.textContent = "The browser does not let the page copy. Copy the marked address.";
    }
  }
}
