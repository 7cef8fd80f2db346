// @ts-check
/**
 * Where a client stands: what it has sent, what it has received, and how that continues after a
 * cut. No I/O here.
 */

import { PROTOCOL_VERSION, encodeFrame } from "./messages.js";
import { ResendBuffer, samplesIn } from "./resend-buffer.js";

/** @typedef {import("./client.js").Chunk} PushedChunk */
/** @typedef {import("./client.js").SplitChunk} SplitChunk */
/** @typedef {import("./resend-buffer.js").Chunk} Chunk */
/** @typedef {import("./client.js").Configuration} Configuration */
/** @typedef {import("./client.js").ErrorEvent} FatalError */
/** @typedef {import("./client.js").ReadyEvent} ReadyEvent */
/** @typedef {import("./client.js").Restart} Restart */
/** @typedef {import("./client.js").SegmentEvent} SegmentEvent */
/** @typedef {import("./client.js").ServerEvent} ServerEvent */
/** @typedef {import("./client.js").StartOptions} StartOptions */
/** @typedef {import("./client.js").WordsEvent} WordsEvent */

const BUFFER_S = 120;
const MAX_CONTEXT_CHARS = 4_000;

/** Speech begins at most so long before it is told. */
const BEFORE_SPEECH_MS = 1_000;

/** Errors on the way back to the server after which a new session can go on. */
const CONTINUABLE = ["idle_timeout", "session_expired", "shutting_down"];

/** Those after which the session itself waits to be resumed: this machine slept, say. */
const WAITING = ["idle_timeout", "too_many_sessions"];

/** A session over all its connections, and over new sessions where the server lost it. */
export class ResumableState {
  /** @type {FatalError | null} the fatal error of the newest connection */
  refusal = null;
  saidBye = false;
  /** Whether a session has ever begun. */
  wasReady = false;
  /** Whether the server offers to resume. */
  mayResume = false;
  stopped = false;

  /** @type {ReadyEvent | null} of the session that can be resumed */
  #session = null;
  #lastSeq = 0;

  // Samples of all that was pushed.
  #endOffset = 0;
  #baseOffset = 0;

  // What was committed, over all sessions.
  /** @type {number[]} of each channel */
  #committedMs;
  /** @type {Set<number>} channels in which a segment is open */
  #speaking = new Set();
  #text = "";
  #nextWordId = 0;
  #nextSegmentId = 0;
  #nSpeakers = 0;

  /** What to add to the numbers of this session so that they continue those before. */
  #base = { ms: 0, words: 0, segments: 0, speakers: 0 };

  /** @param {StartOptions} options */
  constructor(options) {
    this.options = options;
    this.channels = options.channels ?? 1;
    this.#committedMs = new Array(this.channels).fill(0);
    this.buffer = new ResendBuffer(BUFFER_S * options.sampleRate);
  }

  /** Whether the server refused, but a new session, now or later, can go on. */
  get canContinue() {
    if (this.refusal === null) return false;
    // Whoever has not had a place yet waits for one, too.
    if (this.refusal.code === "too_many_sessions") return true;
    if (!this.mayResume) return false;
    if (!CONTINUABLE.includes(this.refusal.code)) return false;
    // A server that ends has still captioned all that it had.
    const allSaid = this.stopped && this.buffer.isAllAcknowledged;
    return this.refusal.code !== "shutting_down" || !allSaid;
  }

  /** Of the session that can be resumed, if there is one. */
  get sessionId() {
    return this.#session?.session_id ?? null;
  }

  /** @param {PushedChunk | SplitChunk} pushed */
  addAudio(pushed) {
    const { samples } = pushed;
    const whole = samples instanceof Float32Array ? samples : interleaved(samples);
    const chunk = { ...pushed, samples: whole, channels: this.channels };
    this.buffer.add(chunk);
    this.#endOffset = chunk.sampleOffset + samplesIn(chunk);
  }

  /** @param {Configuration} configuration for a session that may have to follow, too */
  configure(configuration) {
    this.options = { ...this.options, ...configuration };
    const { hotWords, context, turns } = configuration;
    const settings = { hot_words: hotWords, context, turns: onWire(turns) };
    const message = { type: /** @type {const} */ ("configure"), ...settings };
    this.buffer.add({ endOffset: this.#endOffset, message });
  }

  /** @param {"finalize" | "stop"} type of a command behind all audio so far */
  addCommand(type) {
    this.stopped ||= type === "stop";
    this.buffer.add({ endOffset: this.#endOffset, message: { type } });
  }

  /**
   * @param {number} seq
   * @param {Chunk} chunk
   * @returns {ArrayBuffer} as it goes to the session that runs now
   */
  frame(seq, chunk) {
    return encodeFrame(seq, { ...chunk, sampleOffset: chunk.sampleOffset - this.#baseOffset });
  }

  /** The first message on the next connection. */
  handshake() {
    if (this.#session !== null) {
      const { session_id, resume_token } = this.#session;
      return { type: "resume", session_id, resume_token, last_seq: this.#lastSeq };
    }
    const { sampleRate, context = "", hotWords, decoder, emotion, sounds, live } = this.options;
    const { silenceMs, shareSecret, language, task, numbers, profanityFilter } = this.options;
    const { redact, speakers, knownVoices, turns } = this.options;
    // JSON leaves out what is undefined, and the server then does as usual.
    return {
      type: "start",
      protocol_version: PROTOCOL_VERSION,
      sample_rate: sampleRate,
      encoding: "pcm_s16le",
      channels: this.channels,
      keep_echo: this.options.keepEcho,
      context: `${context} ${this.#text}`.trim().slice(-MAX_CONTEXT_CHARS),
      hot_words: hotWords,
      language,
      task,
      numbers,
      profanity_filter: profanityFilter,
      redact,
      speakers,
      known_voices: knownVoices,
      decoder,
      emotion,
      sounds,
      live,
      silence_ms: silenceMs,
      share_secret: shareSecret,
      turns: onWire(turns),
    };
  }

  /**
   * @param {ReadyEvent} ready
   * @returns {Restart | null} where a new session takes the place of a lost one
   */
  onReady(ready) {
    let restart = null;
    if (ready.resumed) {
      const offset = this.#baseOffset + (ready.acknowledged_offset ?? 0);
      this.buffer.acknowledge(offset);
      this.buffer.rewind(offset);
    } else if (this.wasReady) {
      restart = this.#beginNewSession();
    }
    this.mayResume = typeof ready.resume_token === "string";
    this.#session = this.mayResume ? ready : null;
    this.wasReady = true;
    return restart;
  }

  /**
   * Folds an event in, and renumbers it.
   *
   * @param {ServerEvent} event
   * @returns {boolean} whether the user should see it
   */
  onEvent(event) {
    if (event.type === "move") {
      if (this.#session !== null) this.#session = { ...this.#session, session_id: event.session_id };
      return false;
    }
    const seq = "seq" in event ? (event.seq ?? 0) : 0;
    if (seq > 0 && seq <= this.#lastSeq) return false;
    this.#lastSeq = Math.max(this.#lastSeq, seq);
    this.#renumber(event);
    if (event.type === "speech") this.#speaking.add(event.channel ?? 0);
    if (event.type === "words" || event.type === "segment") this.#noteCommitted(event);
    if (event.type === "latency" && typeof event.acknowledged_offset === "number") {
      this.buffer.acknowledge(this.#baseOffset + event.acknowledged_offset);
    }
    if (event.type === "error" && event.fatal) this.refusal = event;
    if (event.type === "bye") this.saidBye = true;
    return !this.canContinue;
  }

  /** The connection is over, the next one may come. */
  onDisconnect() {
    if (this.refusal !== null && !WAITING.includes(this.refusal.code)) {
      this.#session = null;
      this.#lastSeq = 0;
    }
    this.refusal = null;
    this.saidBye = false;
  }

  /** @param {number} samples */
  durationMs(samples) {
    return (1000 * samples) / this.options.sampleRate;
  }

  /**
   * A new session gets the audio behind the last committed word.
   *
   * @returns {Restart}
   */
  #beginNewSession() {
    const ends = this.#committedEnds;
    this.buffer.rewind(Math.min(...ends));
    this.#baseOffset = this.buffer.nextOffset ?? this.#endOffset;
    // Of a channel that has said more than another, that is not to be heard again.
    ends.forEach((end, channel) => this.buffer.mute(channel, end));
    this.#speaking.clear();
    const startMs = this.durationMs(this.#baseOffset);
    this.#base = {
      ms: startMs,
      words: this.#nextWordId,
      segments: this.#nextSegmentId,
      speakers: this.#labelsGiven,
    };
    const lostMsByChannel = ends.map((end) => Math.max(0, this.durationMs(this.#baseOffset - end)));
    return { startMs, lostMs: Math.max(...lostMsByChannel), lostMsByChannel };
  }

  /** To voices that were not known: channels take turns with them, and each goes on with its own. */
  get #labelsGiven() {
    const given = Math.max(0, this.#nSpeakers - this.#nKnown);
    return Math.ceil(given / this.channels) * this.channels;
  }

  /** Of each channel, in samples of all that was pushed. */
  get #committedEnds() {
    return this.#committedMs.map((ms) => Math.round((ms * this.options.sampleRate) / 1000));
  }

  /**
   * Continues the ids and times of the sessions before.
   *
   * @param {ServerEvent} event
   */
  #renumber(event) {
    const { ms, words, segments, speakers } = this.#base;
    if ("start_ms" in event) event.start_ms += ms;
    if ("end_ms" in event && typeof event.end_ms === "number") event.end_ms += ms;
    if ("segment_id" in event) event.segment_id += segments;
    if ("next_segment_id" in event && event.next_segment_id) event.next_segment_id += segments;
    // No session has more turns than words.
    if ("turn_id" in event) event.turn_id += words;
    if ("received_ms" in event) event.received_ms += ms;
    if ("processed_ms" in event) event.processed_ms += ms;
    if (event.type === "segment") this.#renumberSpeaker(event, speakers);
    if (event.type === "words" || event.type === "segment") {
      for (const word of event.words) {
        word.id += words;
        word.start_ms += ms;
        word.end_ms += ms;
        this.#renumberSpeaker(word, speakers);
      }
    }
    if (event.type === "speakers") {
      event.first_word_id += words;
      event.speakers = event.speakers.map((label) => this.#renumbered(label, speakers));
      for (const label of event.speakers) this.#noteSpeaker(label);
    }
  }

  /**
   * @param {{speaker?: number | null}} said
   * @param {number} before
   */
  #renumberSpeaker(said, before) {
    if (said.speaker !== undefined) said.speaker = this.#renumbered(said.speaker, before);
    this.#noteSpeaker(said.speaker);
  }

  /**
   * Voices that were told apart are not known to a new session; those that it is told of are.
   *
   * @param {number | null} label
   * @param {number} before
   */
  #renumbered(label, before) {
    return label === null || label < this.#nKnown ? label : label + before;
  }

  get #nKnown() {
    return this.options.knownVoices?.length ?? 0;
  }

  /** @param {number | null | undefined} label */
  #noteSpeaker(label) {
    if (typeof label === "number") this.#nSpeakers = Math.max(this.#nSpeakers, label + 1);
  }

  /** @param {WordsEvent | SegmentEvent} event */
  #noteCommitted(event) {
    const spoken = event.channel ?? 0;
    let newestMs = event.type === "segment" ? event.end_ms : 0;
    for (const word of event.words) {
      if (word.state === "tentative") continue;
      newestMs = Math.max(newestMs, word.end_ms);
      if (word.id < this.#nextWordId) continue;
      this.#nextWordId = word.id + 1;
      this.#nextSegmentId = Math.max(this.#nextSegmentId, event.segment_id + 1);
      this.#text = `${this.#text} ${word.text}`.slice(-MAX_CONTEXT_CHARS);
    }
    if (event.type === "segment") this.#speaking.delete(spoken);
    else this.#speaking.add(spoken);
    // Channels are heard side by side: one that is silent is silent up to here.
    const silentMs = newestMs - BEFORE_SPEECH_MS;
    this.#committedMs = this.#committedMs.map((ms, channel) => {
      if (channel !== spoken && this.#speaking.has(channel)) return ms;
      return Math.max(ms, channel === spoken ? newestMs : silentMs);
    });
    this.buffer.release(Math.min(...this.#committedEnds));
  }
}

/** @param {Configuration["turns"]} turns */
function onWire(turns) {
  if (turns === undefined) return undefined;
  const { threshold, eagerThreshold, timeoutMs } = turns;
  return { threshold, eager_threshold: eagerThreshold, timeout_ms: timeoutMs };
}

/** @param {Float32Array[]} sides as long as each other */
function interleaved(sides) {
  const samples = new Float32Array(sides.length * sides[0].length);
  sides.forEach((side, channel) => {
    for (let i = 0; i < side.length; i += 1) samples[i * sides.length + channel] = side[i];
  });
  return samples;
}
