/** Node has websockets of its own since version 22; before, those of the package `ws` take the place. */

globalThis.WebSocket ??= (await import("ws")).WebSocket;

export * from "./client.js";
