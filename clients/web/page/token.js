// @ts-check
/** The server's token: from the page's address, or asked for; kept as long as the person likes. */

import { byId } from "../captions/dom.js";

/** @typedef {import("../protocol/client.js").ServerLocation} ServerLocation */

const STORAGE_KEY = "streamer.token";

export class TokenKeeper {
  #token = "";
  /** @type {() => void} */
  #given = () => {};

  constructor() {
    this.dialog = byId("token", HTMLDialogElement);
    this.field = byId("token-field", HTMLInputElement);
    this.remember = byId("token-remember", HTMLInputElement);
    this.forget = byId("token-forget", HTMLButtonElement);
    this.#token = tokenOfAddress();
    // Whoever has the link has the token for good; it need not stay in sight, and in the history.
    if (this.#token !== "" && keep("localStorage", this.#token)) hideTokenOfAddress();
    if (this.#token === "") this.#token = kept("sessionStorage") || kept("localStorage");
    this.dialog.addEventListener("close", () => this.#closed());
    // No button of the form, of which Enter takes the first.
    byId("token-later", HTMLButtonElement).addEventListener("click", () => this.dialog.close());
    this.forget.addEventListener("click", () => this.#forget());
    this.#showForget();
  }

  /** @returns {ServerLocation} the page's own, with the token */
  get location() {
    const { protocol, host } = window.location;
    const search = this.#token === "" ? "" : `?token=${encodeURIComponent(this.#token)}`;
    return { protocol, host, search };
  }

  /**
   * Asks for the token; one that there was has been refused.
   *
   * @param {() => void} given called if there is another one
   */
  ask(given) {
    const wasWrong = this.#token !== "";
    if (wasWrong) this.#forget();
    byId("token-wrong", HTMLElement).textContent = wasWrong ? "That token was not the right one." : "";
    this.#given = given;
    this.field.value = "";
    this.dialog.returnValue = "";
    this.dialog.showModal();
  }

  #closed() {
    const token = this.field.value.trim();
    this.field.value = "";
    if (this.dialog.returnValue !== "use" || token === "") return;
    this.#token = token;
    keep(this.remember.checked ? "localStorage" : "sessionStorage", token);
    this.#showForget();
    this.#given();
  }

  #forget() {
    this.#token = "";
    keep("sessionStorage", "");
    keep("localStorage", "");
    this.#showForget();
  }

  #showForget() {
    this.forget.hidden = this.#token === "";
  }
}

function tokenOfAddress() {
  // An unencoded plus sign, which base64 has, would be read as a space.
  const query = window.location.search.replaceAll("+", "%2B");
  return new URLSearchParams(query).get("token") ?? "";
}

function hideTokenOfAddress() {
  const address = new URL(window.location.href);
  address.searchParams.delete("token");
  window.history.replaceState(null, "", address);
}

/**
 * @param {"localStorage" | "sessionStorage"} storage
 * @param {string} token "" to have none
 * @returns {boolean} whether it is stored now
 */
function keep(storage, token) {
  try {
    if (token === "") window[storage].removeItem(STORAGE_KEY);
    else window[storage].setItem(STORAGE_KEY, token);
    return true;
  } catch {
    return false; // Storage may be forbidden: then it holds for this visit only.
  }
}

/** @param {"localStorage" | "sessionStorage"} storage */
function kept(storage) {
  try {
    return window[storage].getItem(STORAGE_KEY) ?? "";
  } catch {
    return "";
  }
}
