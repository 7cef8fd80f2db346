// @ts-check
/** How other devices get to what is shared: a code for their cameras, and why they may not. */

import { authorization } from "../protocol/address.js";

/** @typedef {import("../protocol/client.js").ServerLocation} ServerLocation */

/**
 * @param {Location} location of this page
 * @returns {boolean} whether its address means the machine itself, on every machine another
 */
export function isLocal({ hostname }) {
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}

/** @returns {Promise<string>} why others cannot use addresses of a local page, and what to do */
export async function whyLocal() {
  const config = await fetch("/v1/config").then((answer) => answer.json()).catch(() => ({}));
  return config.local_only
    ? "Other devices cannot reach these addresses: the server listens to this machine alone. Start it with “streamer serve --host 0.0.0.0 --tls --token SECRET”, and open this page by the link that it prints for your network."
    : "Other devices cannot reach these addresses: you opened this page as one of this machine alone. Open it by the link that the server printed for your network.";
}

/**
 * The address lets whoever has it read along, so it goes in the body, which nobody writes down.
 *
 * @param {string} address
 * @param {ServerLocation} server
 * @returns {Promise<string>} a picture's address; empty if the server makes none
 */
export async function qrCode(address, server) {
  try {
    const headers = authorization(server);
    const answer = await fetch("/v1/qr", { method: "POST", body: address, headers });
    return answer.ok ? `data:image/svg+xml,${encodeURIComponent(await answer.text())}` : "";
  } catch {
    return ""; // The server is gone; the address is there to be copied.
  }
}
