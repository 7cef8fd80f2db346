/** What the server sends, as PROTOCOL.md tells. */

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
  /** Who said it, from 0 in the order of first appearance; it may change until the word is final.
   *  Left out where that is not known, or was not asked for. */
  speaker?: number | null;
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
  channels?: number;
  resume_token?: string | null;
  resume_ms?: number;
  follow_id?: string | null;
  /** Where the server is reached without what stands before it: the session may go on there. */
  direct_url?: string | null;
}

export interface FollowingEvent {
  type: "following";
  protocol_version: number;
  follow_id: string;
  /** The same for every connection to the same session; empty from servers that tell none. */
  session_key?: string;
  decoder: "draft" | "fused";
  first_word_id: number;
  channels?: number;
}

/** Events with a `seq` are sent again if a cut swallowed them; channels count from 0. */
export interface OfChannel {
  seq?: number;
  channel?: number;
}

export interface SpeechEvent extends OfChannel {
  type: "speech";
  segment_id: number;
  start_ms: number;
}

export interface WordsEvent extends OfChannel {
  type: "words";
  segment_id: number;
  words: WireWord[];
  lag_ms: number;
}

export interface SegmentEvent extends OfChannel {
  type: "segment";
  segment_id: number;
  start_ms: number;
  end_ms: number;
  text: string;
  words: WireWord[];
  emotion: WireEmotion | null;
  /** `speaker`: somebody else said the committed words behind; they are those of
   *  `next_segment_id`. */
  cause?: "silence" | "finalize" | "length" | "loss" | "speaker";
  next_segment_id?: number | null;
  lag_ms: number;
  /** Who said all of it. */
  speaker?: number | null;
}

/** Who said the committed words of the channel's open segment, as it seems now: one for each, in
 *  order. It may change until they are final. */
export interface SpeakersEvent extends OfChannel {
  type: "speakers";
  segment_id: number;
  first_word_id: number;
  speakers: (number | null)[];
}

export interface FinalizedEvent {
  type: "finalized";
  seq?: number;
  end_ms: number;
}

export interface EmotionEvent extends OfChannel {
  type: "emotion";
  emotion: WireEmotion;
  start_ms: number;
  end_ms: number;
  lag_ms: number;
}

/** A sound that is no speech goes on since `start_ms`, or did until `end_ms`: it is told when it begins
 *  and, if it ends within the session, once more then. */
export interface SoundEvent extends OfChannel {
  type: "sound";
  sound: "music";
  start_ms: number;
  end_ms?: number | null;
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

export interface DecoderEvent extends OfChannel {
  type: "decoder";
  decoder: "draft" | "fused";
  reason: string;
}

/** What is said from now on is taken for this language, a code, until another such event. */
export interface LanguageEvent extends OfChannel {
  type: "language";
  language: string;
  probability: number;
}

/** A speaker's turn began, seems to end, goes on after all, or is over. */
export interface TurnEvent extends OfChannel {
  type: "turn";
  event: "start" | "eager_end" | "resumed" | "end";
  turn_id: number;
  start_ms: number;
  end_ms: number;
  text: string;
  confidence: number;
  cause?: "confidence" | "timeout" | "finalize" | "length" | null;
  lag_ms: number;
}

export interface LossEvent extends OfChannel {
  type: "loss";
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

/** The session goes on on another server; `StreamClient` follows it there by itself. */
export interface MoveEvent {
  type: "move";
  session_id: string;
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
  | SpeakersEvent
  | EmotionEvent
  | SoundEvent
  | LatencyEvent
  | DecoderEvent
  | LanguageEvent
  | TurnEvent
  | LossEvent
  | MoveEvent
  | ErrorEvent
  | ByeEvent;
