"""The native protocol, version 1, as types. `PROTOCOL.md` tells it in prose.

Clients send JSON text and binary audio frames (`streamer.protocol.frames`), servers JSON events.
Times are milliseconds of session audio unless a name says otherwise.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from streamer.audio.clock import SAMPLE_RATE
from streamer.protocol.moves import MoveEvent
from streamer.protocol.numbers import NO_BOOLEAN, Whole
from streamer.protocol.speakers import KnownVoices, MostSpeakers, NextId, Speaker, SpeakersEvent
from streamer.protocol.turns import TurnEvent, TurnSettings
from streamer.protocol.wire import FromClient, Numbered, OfChannel, Wire
from streamer.protocol.words import SoundEvent, WireEmotion, WireWord

PROTOCOL_VERSION: Final = 1
MIN_SAMPLE_RATE: Final = 8_000
MAX_SAMPLE_RATE: Final = 48_000
MAX_FRAME_MS: Final = 5_000
MAX_GAP_MS: Final = 60_000
MIN_SILENCE_MS: Final = 300
MAX_SILENCE_MS: Final = 5_000
MAX_CONTEXT_CHARS: Final = 4_000
MAX_HOT_WORDS: Final = 100
MAX_HOT_WORD_CHARS: Final = 64
MAX_LANGUAGE_CHARS: Final = 40
MAX_CHANNELS: Final = 2

Cause = Literal["silence", "finalize", "length", "loss", "speaker"]
"""Why a segment ended."""


class Encoding(StrEnum):
    PCM_S16LE = "pcm_s16le"
    PCM_F32LE = "pcm_f32le"
    CONTAINER = "container"  # of any kind, e.g. WebM as a browser records it


class ErrorCode(StrEnum):
    """Stable codes. The comment is the websocket's close code, if the error ends the session."""

    BAD_MESSAGE = "bad_message"  # 4400
    BAD_CONFIG = "bad_config"  # 4400
    NOT_STARTED = "not_started"  # 4400
    ALREADY_STARTED = "already_started"  # not fatal
    BAD_FRAME = "bad_frame"  # 4400
    BAD_MEDIA = "bad_media"  # 4400
    BAD_SAMPLES = "bad_samples"  # not fatal: the frame is refused, its time counts as lost
    SEQUENCE_GAP = "sequence_gap"  # not fatal
    MESSAGE_TOO_LARGE = "message_too_large"  # 1009
    RATE_LIMITED = "rate_limited"  # 4429
    IDLE_TIMEOUT = "idle_timeout"  # 4408
    UNAUTHORIZED = "unauthorized"  # 4401
    TOO_MANY_SESSIONS = "too_many_sessions"  # 4503
    TOO_MANY_FOLLOWERS = "too_many_followers"  # 4503
    SESSION_EXPIRED = "session_expired"  # 4410: it cannot be resumed
    TAKEN_OVER = "taken_over"  # 4409: another connection resumed the session
    UNKNOWN_SESSION = "unknown_session"  # 4404: nobody speaks under this follow id
    SLOW_FOLLOWER = "slow_follower"  # 4413
    SHUTTING_DOWN = "shutting_down"  # 1001
    INTERNAL = "internal"  # 1011


HotWords = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=MAX_HOT_WORD_CHARS)], ...],
    Field(max_length=MAX_HOT_WORDS),
]


class StartMessage(FromClient):
    """Opens the session. Audio may follow at once; nothing sent after it is lost."""

    type: Literal["start"] = "start"
    protocol_version: Whole = PROTOCOL_VERSION
    sample_rate: Whole = Field(SAMPLE_RATE, ge=MIN_SAMPLE_RATE, le=MAX_SAMPLE_RATE)
    encoding: Encoding = Encoding.PCM_S16LE
    channels: Whole = Field(1, ge=1, le=MAX_CHANNELS)
    """Each with words of its own. The samples of a frame are interleaved."""
    keep_echo: bool = False
    """Of two channels: caption what the first hears of the second, too."""
    language: str | None = Field(None, max_length=MAX_LANGUAGE_CHARS)
    """A code, or `auto`: whichever is spoken. None leaves it to the server."""
    task: Literal["transcribe", "translate"] = "transcribe"
    """`translate`: into English."""
    decoder: Literal["draft", "fused"] | None = None
    context: str = Field("", max_length=MAX_CONTEXT_CHARS)
    hot_words: HotWords = ()
    emotion: bool | None = None
    """Of the voice: whether to tell it. None leaves it to the server, which mostly does."""
    sounds: bool = False  # that are no speech
    silence_ms: Annotated[float, Field(ge=MIN_SILENCE_MS, le=MAX_SILENCE_MS), NO_BOOLEAN] | None = (
        None
    )
    """Pause that ends a segment; None leaves it to the server."""
    live: bool = True
    """False: a recording; the server reads it as fast as it can hear it, and loses nothing."""
    numbers: bool = False
    """In figures. Of English alone, as what is masked: swear words, and numbers."""
    profanity_filter: bool = False
    redact: tuple[Literal["numbers", "pci", "ssn"], ...] = Field((), max_length=3)
    speakers: MostSpeakers = False
    """Whether to tell who speaks; a number: of so many people at most."""
    known_voices: KnownVoices = ()
    """Of people who may speak: their labels are 0, 1, 2 …, those of others follow."""
    share_secret: str | None = Field(None, min_length=16, max_length=128)
    """The same secret gives the same `follow_id` in every session."""
    turns: TurnSettings | None = None
    """Tell of speakers' turns; None: do not."""


class ResumeMessage(FromClient):
    """Goes on with a session whose connection broke, on a new connection, instead of `start`. The
    server answers with `ready`, whose `acknowledged_offset` says where audio has to go on, and
    with what happened after the event `last_seq`."""

    type: Literal["resume"] = "resume"
    protocol_version: Whole = PROTOCOL_VERSION
    session_id: str = Field(max_length=64)
    resume_token: str = Field(max_length=128)
    last_seq: Whole = Field(0, ge=0)


class ConfigureMessage(FromClient):
    """Changes settings for all that is not committed yet; None leaves one as it is."""

    type: Literal["configure"] = "configure"
    context: str | None = Field(None, max_length=MAX_CONTEXT_CHARS)
    hot_words: HotWords | None = None
    turns: TurnSettings | None = None


class FinalizeMessage(FromClient):
    """Closes the open segment now; the session goes on."""

    type: Literal["finalize"] = "finalize"


class StopMessage(FromClient):
    """No more audio will come: the server flushes finals, says `bye` and closes with 1000."""

    type: Literal["stop"] = "stop"


ClientMessage = StartMessage | ResumeMessage | ConfigureMessage | FinalizeMessage | StopMessage


class Percentiles(Wire):
    p50: float
    p95: float
    p99: float


class ReadyEvent(Wire):
    """The session is open, or open again.

    `session_id` names it in the server's log and trace. No message may be longer than
    `max_message_bytes`; `buffer_ms` of audio may wait to be heard before live audio is lost.
    With the `resume_token` the session can be resumed for `resume_ms` after its connection broke;
    None means that this server does not offer that. `follow_id` lets others follow it.
    """

    type: Literal["ready"] = "ready"
    protocol_version: int = PROTOCOL_VERSION
    session_id: str
    decoder: Literal["draft", "fused"]
    models: dict[str, str]
    language: str = "en"
    """A code, or `auto`."""
    max_message_bytes: int
    buffer_ms: float
    resumed: bool = False
    acknowledged_offset: int = 0
    """Samples (of each channel), at the client's rate, that the server has: audio goes on here."""
    channels: int = 1
    resume_token: str | None = None
    resume_ms: float = 0.0
    follow_id: str | None = None
    direct_url: str | None = None
    """Where the server is reached without what stands before it: the session may go on there."""


class FollowingEvent(Wire):
    """A session is being followed. Its newest captions come next, then all events as they happen;
    the first word among them has the id `first_word_id`.

    Every connection that follows the same session is told the same `session_key`, those of another
    session another; it gives no access. Empty from servers that tell none.
    """

    type: Literal["following"] = "following"
    protocol_version: int = PROTOCOL_VERSION
    follow_id: str
    session_key: str = ""
    decoder: Literal["draft", "fused"]
    first_word_id: int
    channels: int = 1


class SpeechEvent(OfChannel):
    """Speech was heard: a segment is open."""

    type: Literal["speech"] = "speech"
    segment_id: int
    start_ms: float


class WordsEvent(OfChannel):
    """Words of the channel's open segment that are new or changed.

    Committed words come once, in order; after them stands the whole tentative tail, which
    replaces the tentative words of the channel's event before.
    """

    type: Literal["words"] = "words"
    segment_id: int
    words: tuple[WireWord, ...]
    lag_ms: float


class SegmentEvent(OfChannel):
    """A finished segment: all its words, now final, and its emotion.

    `cause`: the speaker paused, the client asked or stopped, the segment grew too long (speech
    goes on in the next one), the audio behind it was lost, or somebody else said the committed
    words behind these, which are those of the next one.
    """

    type: Literal["segment"] = "segment"
    segment_id: int
    start_ms: float
    end_ms: float
    text: str
    words: tuple[WireWord, ...]
    emotion: WireEmotion | None
    cause: Cause = "silence"
    lag_ms: float
    speaker: Speaker = None
    """Who said all of it."""
    next_segment_id: NextId = None


class FinalizedEvent(Numbered):
    """The answer to `finalize`: all audio before `end_ms` is final."""

    type: Literal["finalized"] = "finalized"
    end_ms: float


class EmotionEvent(OfChannel):
    type: Literal["emotion"] = "emotion"
    emotion: WireEmotion
    start_ms: float
    end_ms: float
    lag_ms: float


class LatencyEvent(Wire):
    """Heartbeat, about once a second while audio flows.

    `lag_ms`: age of the oldest audio that has arrived but has not been processed;
    `stages_ms`: percentiles of each stage so far; `step_ms`: the newest step, stage by stage;
    `capture_to_emit_ms`: from the client's capture stamp to now, if the clocks allow it;
    `acknowledged_offset`: samples, at the client's rate, that need not be sent again after a cut.
    """

    type: Literal["latency"] = "latency"
    lag_ms: float
    received_ms: float
    processed_ms: float
    step_ms: dict[str, float]
    stages_ms: dict[str, Percentiles]
    capture_to_emit_ms: float | None = None
    acknowledged_offset: int | None = None


class DecoderEvent(OfChannel):
    """Captions go on without the LLM, or it is back."""

    type: Literal["decoder"] = "decoder"
    decoder: Literal["draft", "fused"]
    reason: str


class LanguageEvent(OfChannel):
    """What is said from now on is taken for this language, until another such event."""

    type: Literal["language"] = "language"
    language: str
    probability: float


class LossEvent(OfChannel):
    """Audio that will not be transcribed."""

    type: Literal["loss"] = "loss"
    start_ms: float
    lost_samples: int
    reason: Literal["overrun", "gap", "bad_samples"]


class ErrorEvent(Wire):
    type: Literal["error"] = "error"
    code: ErrorCode
    message: str
    fatal: bool


class ByeEvent(Wire):
    """The last event. Everything committed has been delivered before it."""

    type: Literal["bye"] = "bye"
    reason: str
    received_ms: float
    processed_ms: float
    lost_samples: int
    segments: int
    words: int


ServerEvent = Annotated[
    ReadyEvent
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
    | ByeEvent,
    Field(discriminator="type"),
]

CLIENT_MESSAGE: Final[TypeAdapter[ClientMessage]] = TypeAdapter(
    Annotated[ClientMessage, Field(discriminator="type")]
)
SERVER_EVENT: Final[TypeAdapter[ServerEvent]] = TypeAdapter(ServerEvent)
