// protocol/client.d.ts declares what client.js (here as implementation.js) exports, and what the server
// sends (wire.ts, written from streamer/protocol/messages.py).
import type * as declared from "./protocol/client.js";
import type * as written from "./protocol/implementation.js";
import type * as wire from "./wire.js";

type Lacks<A, B> = Exclude<keyof A, keyof B>;
type Same<A, B> = [Lacks<A, B>, Lacks<B, A>] extends [never, never] ? true : never;

export const exported: Same<typeof declared, typeof written> = true;
export const members: Same<declared.StreamClient, written.StreamClient> = true;
export const asDeclared = (module: typeof written): typeof declared => module;

type Event<Events, Type> = Extract<Events, { type: Type }>;
type Type = wire.ServerEvent["type"];
/** Fields of any event in one that the other lacks. */
type Untold = { [T in Type]: Lacks<Event<wire.ServerEvent, T>, Event<declared.ServerEvent, T>> }[Type];
type Invented = { [T in Type]: Lacks<Event<declared.ServerEvent, T>, Event<wire.ServerEvent, T>> }[Type];

export const types: Type extends declared.ServerEvent["type"] ? true : never = true;
export const fields: [Untold, Invented] extends [never, never] ? true : [Untold, Invented] = true;
export const event = (sent: wire.ServerEvent): declared.ServerEvent => sent;
export const word: Same<wire.WireWord, declared.WireWord> = true;
export const emotion: Same<wire.WireEmotion, declared.WireEmotion> = true;
