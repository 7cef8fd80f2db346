// @ts-check
/** Where the server's websockets are, as seen from a page that it served. */

const SUBPROTOCOL = "streamer.v1";

/** @param {Location} location */
export function streamAddress(location) {
  const token = new URLSearchParams(location.search).get("token");
  const protocols = token ? [SUBPROTOCOL, `token.${token}`] : [SUBPROTOCOL];
  return { url: `${websocketOrigin(location)}/v1/stream`, protocols };
}

/**
 * @param {Location} location
 * @param {string} followId
 */
export function followAddress(location, followId) {
  const query = new URLSearchParams({ session: followId });
  return { url: `${websocketOrigin(location)}/v1/follow?${query}`, protocols: [SUBPROTOCOL] };
}

/** @param {Location} location */
function websocketOrigin(location) {
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}`;
}
