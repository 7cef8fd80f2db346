// @ts-check
/** Where the server's websockets are: from the address of a page that it served, or its own. */

/** @typedef {import("./client.js").ServerLocation} ServerLocation */

const SUBPROTOCOL = "streamer.v1";

/** @param {ServerLocation} location */
export function streamAddress(location) {
  const token = tokenIn(location);
  const protocols = token ? [SUBPROTOCOL, `token64.${base64url(token)}`] : [SUBPROTOCOL];
  return { url: `${websocketOrigin(location)}/v1/stream`, protocols };
}

/**
 * @param {ServerLocation} location
 * @returns {Record<string, string>} the headers of a request over HTTP
 */
export function authorization(location) {
  const token = tokenIn(location);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** @param {ServerLocation} location */
function tokenIn(location) {
  // An unencoded plus sign, which base64 has, would be read as a space.
  return new URLSearchParams(location.search.replaceAll("+", "%2B")).get("token");
}

/**
 * Subprotocols may hold few characters; tokens may hold any.
 *
 * @param {string} text
 */
function base64url(text) {
  const encoded = btoa(String.fromCharCode(...new TextEncoder().encode(text)));
  return encoded.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * To resume a session: where several servers are behind one address, that is how the right one is
 * found.
 *
 * @param {string} url of `streamAddress`
 * @param {string} sessionId
 */
export function resumeUrl(url, sessionId) {
  const resumed = new URL(url);
  resumed.searchParams.set("session", sessionId);
  return resumed.href;
}

/**
 * @param {ServerLocation} location
 * @param {string} followId
 */
export function followAddress(location, followId) {
  const query = new URLSearchParams({ session: followId });
  return { url: `${websocketOrigin(location)}/v1/follow?${query}`, protocols: [SUBPROTOCOL] };
}

/** @param {ServerLocation} location */
function websocketOrigin(location) {
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}`;
}
