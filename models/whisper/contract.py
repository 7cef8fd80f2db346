"""What a second listener is asked and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE

MAX_SECONDS: Final = 30
"""More, Whisper has no positions for."""
MAX_SAMPLES: Final = MAX_SECONDS * SAMPLE_RATE

Task = Literal["transcribe", "translate"]
"""Into words of the language that is spoken, or into English."""


@dataclass(frozen=True, slots=True)
class ListenerOptions:
    """How much of its window a listener looks at, and when it has said too much."""

    least_s: float = 10.0
    """Shorter sound is followed by silence up to this length: where the window is cut to the
    sound, Whisper hears worse and may repeat itself (`benchmarks.research.listener_windows`)."""
    bucket_s: float = 2.0
    """Longer sound is followed by silence up to a multiple of this."""
    tokens_per_s: float = 12.0
    """Nobody says more; what goes on is a loop and no hypothesis."""
    spare_tokens: int = 16
    """That any sound may have beyond."""


@dataclass(frozen=True, slots=True)
class ListenRequest:
    """A stretch of one session, to be heard as a whole."""

    samples: Floats
    """`[N]` at 16 kHz, at most 30 s; may be empty."""
    language: str
    """As a code: `en`."""
    said: str = ""
    """What is known to be said at the beginning of the samples; hypotheses continue it."""
    n_best: int = 1
    beam_width: int = 5
    """At least `n_best`; 1 is greedy."""
    task: Task = "transcribe"

    @property
    def text_language(self) -> str:
        """Of what is said and heard, by code."""
        return "en" if self.task == "translate" else self.language


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What may have been said behind the words that were given."""

    text: str
    """Maybe nothing. It begins with a mark where that belongs to the last given word."""
    logprob: float
    """Nats, over all tokens and the end."""
    tokens: tuple[int, ...]
    """Without the end."""


@dataclass(frozen=True)
class Hearing:
    """What was heard, for more questions about the same sound."""

    request: ListenRequest
    hypotheses: tuple[Hypothesis, ...]
    """Different texts, likeliest first. None if the listener came to no end (it looped)."""
    no_speech: float
    """Probability that nobody speaks."""
    states: Any
    """The encoder's, 50 a second, over the window with its silence, in whatever form the listener
    keeps them for those questions."""


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word and when it is said, in seconds from the first of the samples; where a language is
    written without spaces, a few characters."""

    text: str
    start_s: float
    end_s: float
    probability: float
    """Geometric mean over its tokens, each behind those before it."""


@dataclass(frozen=True)
class ScoreQuestion:
    """How likely texts are on what was heard, behind the given words."""

    hearing: Hearing
    texts: Sequence[str]


@dataclass(frozen=True)
class TimesQuestion:
    """When the words of a text, behind the given words, are said."""

    hearing: Hearing
    text: str


class SecondListener(Protocol):
    """Stateless: safe for calls from several threads."""

    @property
    def languages(self) -> frozenset[str]:
        """Those that it hears, by code."""

    @property
    def together(self) -> int:
        """Requests that share a pass at most: a bigger one would keep those behind it waiting."""

    @property
    def asked_together(self) -> int:
        """Questions that share a pass at most; 1 where they gain nothing by it."""

    def hear(self, requests: Sequence[ListenRequest]) -> Sequence[Hearing | Exception]:
        """Hear stretches of several sessions in one batch. Where one alone cannot be heard, for
        want of memory, the error stands in its place."""

    def score(self, questions: Sequence[ScoreQuestion]) -> Sequence[list[float] | Exception]:
        """Of each question the log-probability (nats, the end included) of each text; or why it
        alone has no answer."""

    def times(self, questions: Sequence[TimesQuestion]) -> Sequence[list[TimedWord] | Exception]:
        """Of each question the words with their times, which never fall; or why not."""

    def language(self, sounds: Sequence[Floats]) -> Sequence[list[tuple[str, float]] | Exception]:
        """Of each sound languages, by code, and their probabilities, likeliest first; or why
        not."""
