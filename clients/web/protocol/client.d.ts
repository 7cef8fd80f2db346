/**
 * The caption server's client for web pages and Node: one session, over as many connections as it
 * takes.
 *
 *     const client = new StreamClient(streamAddress(window.location), { sampleRate: 48_000 });
 *     client.addEventListener("event", ({ detail }) => show(detail));
 *     client.addEventListener("closed", ({ detail }) => explain(detail));
 *     client.push({ sampleOffset: 0, captureTimeMs: Date.now(), samples });
 *     client.stop();
 *
 * What the events say is told in PROTOCOL.md.
 */

import type { ServerEvent } from "./events.d.ts";

export type * from "./events.d.ts";

/** Audio in -1 … 1, interleaved where there are several channels; the offset counts samples of one.
 *  `captureTimeMs`: of the first, Unix epoch; 0 if unknown. */
export interface Chunk {
  sampleOffset: number;
  captureTimeMs: number;
  samples: Float32Array;
}

/** The same with an array for each channel. */
export type SplitChunk = Omit<Chunk, "samples"> & { samples: Float32Array[] };

/** What to give to `new WebSocket`. */
export interface Address {
  url: string;
  protocols: string[];
}

/** When a speaker's turn is over: a confidence, one that is told early, or a pause. */
export interface TurnSettings {
  threshold?: number;
  eagerThreshold?: number;
  timeoutMs?: number;
}

/** What may change while a session runs; what is left out stays. */
export interface Configuration {
  context?: string;
  hotWords?: string[];
  turns?: TurnSettings;
}

export interface StartOptions extends Configuration {
  sampleRate: number;
  /** 2: of two sides of a conversation each has its own words. 1 if not told. */
  channels?: 1 | 2;
  /** Of two channels: caption what the first hears of the second, too. False if not told. */
  keepEcho?: boolean;
  /** The server's best if not told. */
  decoder?: "draft" | "fused";
  /** A code, or `auto`; the server's own if not told. */
  language?: string;
  /** Into words of the language that is spoken, as if not told, or into English. */
  task?: "transcribe" | "translate";
  /** Whether to be told of emotions; the server's own, mostly true, if not told. */
  emotion?: boolean;
  /** Whether to be told of sounds that are no speech. False if not told. */
  sounds?: boolean;
  /** False for a recording: the server takes its time and loses nothing. True if not told. */
  live?: boolean;
  /** The pause that ends a segment. */
  silenceMs?: number;
  /** In figures: numbers, money, times, dates. Of English alone, as the two below. */
  numbers?: boolean;
  /** Swear words are masked. */
  profanityFilter?: boolean;
  /** Numbers that are masked: all, those of cards, social security numbers. */
  redact?: ("numbers" | "pci" | "ssn")[];
  /** Whether to be told who speaks; a number, 2 to 8: of so many people at most. */
  speakers?: boolean | number;
  /** Voice prints, as `POST /v1/voice` gives them, of people who may speak: their labels are 0, 1, 2 …
   *  Those of others follow. With `speakers` alone. */
  knownVoices?: string[];
  /** The same secret gives the same `follow_id` every time; at least 16 characters. */
  shareSecret?: string;
}

/**
 * `connecting`: for the first time; `stalled`: connected, but nothing is heard of the server for some
 * seconds; `reconnecting`: after a cut; `full`: refused, for all places are taken, and will try again.
 * In all of them audio is kept.
 */
export type ClientState = "connecting" | "live" | "stalled" | "reconnecting" | "full" | "closed";

/** Why the session is over. */
export interface Closing {
  /** Of the websocket; 1006 if it broke. */
  code: number;
  reason: string;
  /** Whether it had ever begun. */
  wasReady: boolean;
  /** Whether all that was said has been transcribed and received. */
  saidBye: boolean;
  /** Whether the server did not answer in time. */
  timedOut: boolean;
}

/** The server had lost the session, and a new one goes on. */
export interface Restart {
  /** Milliseconds of all audio pushed: captions behind are made anew from here. */
  startMs: number;
  /** Of audio from `startMs - lostMs` on, which was not kept and will have no captions. */
  lostMs: number;
  lostMsByChannel: number[];
}

export interface StreamClientEvents {
  /** Every event of the server; ids and times continue over restarts. */
  event: CustomEvent<ServerEvent>;
  /** The detail is the new state. */
  state: CustomEvent<ClientState>;
  /** Words that were only committed will not be in any segment: keep them as they are. */
  restart: CustomEvent<Restart>;
  /** The last one. */
  closed: CustomEvent<Closing>;
}

export const PROTOCOL_VERSION: 1;

/**
 * Reconnects by itself, with growing delays for two minutes at most, and loses no word. Waits as long
 * for a place where all are taken.
 */
export class StreamClient extends EventTarget {
  constructor(address: Address, options: StartOptions);
  readonly state: ClientState;
  readonly sampleRate: number;
  /** Since when there is no answer, by `performance.now()`; 0 while all is well. */
  readonly brokenAtMs: number;
  /** When the next attempt to connect comes, by `performance.now()`; 0 while none is planned. */
  readonly retryAtMs: number;
  /** Give the next audio; offsets must follow one another. Never blocks. */
  push(chunk: Chunk | SplitChunk): void;
  configure(configuration: Configuration): void;
  /** Close the open segment behind all audio pushed so far. */
  finalize(): void;
  /** No more audio will come: finals follow, then `closed`. */
  stop(): void;
  /** End at once: what is still on its way is lost. */
  close(): void;
  addEventListener<K extends keyof StreamClientEvents>(
    type: K,
    listener: (event: StreamClientEvents[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    callback: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof StreamClientEvents>(
    type: K,
    listener: (event: StreamClientEvents[K]) => void,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    callback: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

/** Of the page that the server served, or of the server: `new URL("https://captions.example")`. */
export type ServerLocation = Pick<URL, "protocol" | "host" | "search">;

/** The address of the speaker's websocket; a token in the location (`?token=…`) goes with it. */
export function streamAddress(location: ServerLocation): Address;

/** The address to follow a session at, read-only. */
export function followAddress(location: ServerLocation, followId: string): Address;

export interface FollowClientEvents {
  /** Every event of the server; each connection begins with `following` and a snapshot. */
  event: CustomEvent<ServerEvent>;
  /** A connection ended, and the server had not said why. */
  cut: Event;
}

/** Follows somebody's session, read-only, and connects again whenever it must, until `close`. */
export class FollowClient extends EventTarget {
  /** `address`: of `followAddress`. */
  constructor(address: Address);
  address: Address;
  close(): void;
  addEventListener<K extends keyof FollowClientEvents>(
    type: K,
    listener: (event: FollowClientEvents[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    callback: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

/** The next delay before connecting again; `attempt` counts from 0. */
export function retryDelayMs(attempt: number): number;

/** A binary audio frame: the 24-byte header and 16-bit samples, all little-endian. */
export function encodeFrame(seq: number, chunk: Chunk): ArrayBuffer;

/** A websocket message as an event; null for what this client does not understand. */
export function parseEvent(data: unknown): ServerEvent | null;
