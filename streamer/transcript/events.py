"""What a session reports while it listens. Times are absolute 16 kHz samples. `channel` counts from
0; of a session with one it is always that.

These are the inside view; `streamer.protocol.messages` has their form on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from streamer.transcript.ledger import Emotion, Segment, Word


@dataclass(frozen=True, slots=True)
class WordsUpdate:
    """Words of the channel's open segment: newly committed ones once, and its whole tentative
    tail."""

    segment_id: int
    committed: tuple[Word, ...]
    tentative: tuple[Word, ...]
    channel: int = 0


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """Speech was heard and a segment is open; `start_sample` lies a little before the speech."""

    segment_id: int
    start_sample: int
    channel: int = 0


@dataclass(frozen=True, slots=True)
class SegmentClosed:
    """A segment became final; one without words is reported too, as it clears tentative text.

    `cause`: `silence` (the speaker paused), `finalize` (asked for, or the end of the audio),
    `length` (speech goes on in the next segment), `loss` (audio behind it was lost), `speaker`
    (somebody else said the committed words behind it, which are those of the next segment).
    """

    segment: Segment
    cause: str = "silence"
    next_segment_id: int | None = None
    """Of the segment that the words behind a `speaker`'s end are of."""

    @property
    def channel(self) -> int:
        return self.segment.channel


@dataclass(frozen=True, slots=True)
class Finalized:
    """A request to finalize is done: all audio before `end_sample` is final, in all channels."""

    end_sample: int


@dataclass(frozen=True, slots=True)
class AudioPaused:
    """No audio has come for seconds, though the client is there; all before `end_sample` is
    final."""

    end_sample: int


@dataclass(frozen=True, slots=True)
class EmotionUpdate:
    """The live emotion of the window `start_sample … end_sample`."""

    emotion: Emotion
    start_sample: int
    end_sample: int
    channel: int = 0


@dataclass(frozen=True, slots=True)
class SoundHeard:
    """A sound that is no speech goes on since `start_sample`; or it did, until `end_sample`. It is
    told when it begins, and again when it has ended."""

    sound: Literal["music"]
    start_sample: int
    end_sample: int | None = None
    channel: int = 0

    @property
    def tag(self) -> str:
        """As captions have it."""
        return f"[{self.sound}]"


@dataclass(frozen=True, slots=True)
class SpeakersUpdate:
    """Who said the committed words of the channel's open segment, as it seems now: one for each,
    in order, None where that is not known. It may change until the segment is closed."""

    segment_id: int
    first_word_id: int
    speakers: tuple[int | None, ...]
    channel: int = 0


@dataclass(frozen=True, slots=True)
class AudioLost:
    """Audio that will not be transcribed, and why (`overrun`, `gap`)."""

    start_sample: int
    n_samples: int
    reason: str
    channel: int = 0


@dataclass(frozen=True, slots=True)
class DecoderChanged:
    """The LLM left or rejoined the commit decision (`draft` or `fused`), and why."""

    decoder: str
    reason: str
    channel: int = 0


@dataclass(frozen=True, slots=True)
class LanguageChanged:
    """What is said from now on is taken for this language (a code), with this probability."""

    language: str
    probability: float
    channel: int = 0


TurnEdge = Literal["start", "eager_end", "resumed", "end"]
TurnCause = Literal["confidence", "timeout", "finalize", "length"]


@dataclass(frozen=True, slots=True)
class TurnChanged:
    """A speaker's turn began, seems to end (`eager_end`), goes on after all (`resumed`), or ended.

    `words` are those of the turn so far, all of them committed once it is over. `confidence`:
    that what is told is so. `cause`, of an end: the confidence sufficed, the pause was long, it
    was asked for, or the turn grew too long.
    """

    edge: TurnEdge
    turn_id: int
    start_sample: int
    end_sample: int
    words: tuple[Word, ...]
    confidence: float
    cause: TurnCause | None = None
    channel: int = 0


@dataclass(frozen=True, slots=True)
class StepDone:
    """One pass of the models over the newest audio.

    `stages_ms` names each stage's duration; `processed_sample` is the audio covered so far,
    `backlog_samples` what had arrived beyond it when the step ended.
    """

    step: int
    processed_sample: int
    backlog_samples: int
    stages_ms: dict[str, float]


SessionEvent = (
    SpeechBegan
    | WordsUpdate
    | SegmentClosed
    | Finalized
    | AudioPaused
    | EmotionUpdate
    | SoundHeard
    | SpeakersUpdate
    | AudioLost
    | DecoderChanged
    | LanguageChanged
    | TurnChanged
    | StepDone
)
