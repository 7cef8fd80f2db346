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

/** What spoke for a word more than for `rival`, in weighted nats; the sum decided. */
export interface WireDecision {
  rival: string;
  audio: number;
  text: number;
  hot_words: number;
  second: number;
  heard: Record<string, number>;
}

export interface WireWord {
  id: number;
  text: string;
  start_ms: number;
  end_ms: number;
  confidence: number;
  state: "tentative" | "committed" | "final";
  decision?: WireDecision | null;
  /** dB above the speaker's own running level; null while that is not known, or not measured. */
  loudness?: number | null;
  /** Hz; null where the word is not voiced, or not measured. */
  pitch?: number | null;
}

export interface WireEmotion {
  label: string;
  probs: Record<string, number>;
  /** How excited the voice sounds, from -1 to 1, and how sure that is, from 0 to 1; of a whole
   *  segment, once enough was heard before it. */
  arousal?: { value: number; confidence: number } | null;
}

export interface Percentiles {
  p50: number;
  p95: number;
  p99: number;
}

export interface ReadyEvent {
  type: "ready";
  protocol_version: number;
  session_id: string;
  decoder: "draft" | "fused";
  models: Record<string, string>;
  /** A code, or `auto`. */
  language?: string;
  max_message_bytes: number;
  buffer_ms: number;
  resumed?: boolean;
  acknowledged_offset?: number;
  resume_token?: string | null;
  resume_ms?: number;
  follow_id?: string | null;
}

export interface FollowingEvent {
  type: "following";
  protocol_version: number;
  follow_id: string;
  decoder: "draft" | "fused";
  first_word_id: number;
}

export interface SpeechEvent {
  type: "speech";
  seq?: number;
  segment_id: number;
  start_ms: number;
}

export interface WordsEvent {
  type: "words";
  seq?: number;
  segment_id: number;
  words: WireWord[];
  lag_ms: number;
}

export interface SegmentEvent {
  type: "segment";
  seq?: number;
  segment_id: number;
  start_ms: number;
  end_ms: number;
  text: string;
  words: WireWord[];
  emotion: WireEmotion | null;
  cause?: "silence" | "finalize" | "length" | "loss";
  lag_ms: number;
}

export interface FinalizedEvent {
  type: "finalized";
  seq?: number;
  end_ms: number;
}

export interface EmotionEvent {
  type: "emotion";
  seq?: number;
  emotion: WireEmotion;
  start_ms: number;
  end_ms: number;
  lag_ms: number;
}

export interface LatencyEvent {
  type: "latency";
  lag_ms: number;
  received_ms: number;
  processed_ms: number;
  step_ms: Record<string, number>;
  stages_ms: Record<string, Percentiles>;
  capture_to_emit_ms: number | null;
  acknowledged_offset?: number | null;
}

export interface DecoderEvent {
  type: "decoder";
  seq?: number;
  decoder: "draft" | "fused";
  reason: string;
}

/** What is said from now on is taken for this language, a code, until another such event. */
export interface LanguageEvent {
  type: "language";
  seq?: number;
  language: string;
  probability: number;
}

/** A speaker's turn began, seems to end, goes on after all, or is over. */
export interface TurnEvent {
  type: "turn";
  seq?: number;
  event: "start" | "eager_end" | "resumed" | "end";
  turn_id: number;
  start_ms: number;
  end_ms: number;
  text: string;
  confidence: number;
  cause?: "confidence" | "timeout" | "finalize" | "length" | null;
  lag_ms: number;
}

export interface LossEvent {
  type: "loss";
  seq?: number;
  start_ms: number;
  /** 16 kHz samples. */
  lost_samples: number;
  reason: string;
}

export interface ErrorEvent {
  type: "error";
  code: string;
  message: string;
  fatal: boolean;
}

export interface ByeEvent {
  type: "bye";
  reason: string;
  received_ms: number;
  processed_ms: number;
  lost_samples: number;
  segments: number;
  words: number;
}

export type ServerEvent =
  | ReadyEvent
  | FollowingEvent
  | SpeechEvent
  | WordsEvent
  | SegmentEvent
  | FinalizedEvent
  | EmotionEvent
  | LatencyEvent
  | DecoderEvent
  | LanguageEvent
  | TurnEvent
  | LossEvent
  | ErrorEvent
  | ByeEvent;

/** Mono audio in -1 … 1. `captureTimeMs`: of the first sample, Unix epoch; 0 if unknown. */
export interface Chunk {
  sampleOffset: number;
  captureTimeMs: number;
  samples: Float32Array;
}

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
  /** The server's best if not told. */
  decoder?: "draft" | "fused";
  /** A code, or `auto`; the server's own if not told. */
  language?: string;
  /** Into words of the language that is spoken, as if not told, or into English. */
  task?: "transcribe" | "translate";
  /** Whether to be told of emotions; the server's own, mostly true, if not told. */
  emotion?: boolean;
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
  /** The same secret gives the same `follow_id` every time; at least 16 characters. */
  shareSecret?: string;
}

/** `connecting`: for the first time; `reconnecting`: after a cut, audio is kept meanwhile. */
export type ClientState = "connecting" | "live" | "reconnecting" | "closed";

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

/** Reconnects by itself, with growing delays for two minutes at most, and loses no word. */
export class StreamClient extends EventTarget {
  constructor(address: Address, options: StartOptions);
  readonly state: ClientState;
  readonly sampleRate: number;
  /** Give the next audio; offsets must follow one another. Never blocks. */
  push(chunk: Chunk): void;
  configure(configuration: Configuration): void;
  /** Close the open segment behind all audio pushed so far. */
  finalize(): void;
  /** No more audio will come: finals follow, then `closed`. */
  stop(): void;
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
