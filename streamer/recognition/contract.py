"""The contract between a session and whatever turns its audio into events.

The real one is `recognizer.Recognizer`; tests of sockets and protocols use small fakes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from streamer.models.whisper.contract import Task
from streamer.recognition.turns.options import TurnOptions
from streamer.runtime.tracing import SpanSink
from streamer.transcript.events import AudioLost, SessionEvent
from streamer.transcript.written.options import WritingOptions

if TYPE_CHECKING:  # the engine imports this module
    from streamer.runtime.deadline_executor import DeadlineExecutor

Decoder = Literal["draft", "fused"]


USUAL_SPEAKERS: Final = 6
"""Who asks for no number has as many told apart, at most."""


@dataclass(frozen=True)
class SessionChange:
    """What a client may change while its session runs; None leaves it as it is."""

    context: str | None = None
    hot_words: tuple[str, ...] | None = None
    turns: TurnOptions | None = None


@dataclass(frozen=True)
class SessionOptions:
    """What a client may choose for its session."""

    decoder: Decoder = "fused"
    """`draft`: the ASR decoder alone; `fused`: the LLM has a say before words are committed."""
    context: str = ""
    """Text that was said or shown before; it biases the LLM."""
    hot_words: tuple[str, ...] = ()
    """Names and terms to expect."""
    emotion: bool = True
    sounds: bool = False
    """Whether to tell of sounds that are no speech."""
    silence_ms: float | None = None
    """Pause that ends a segment; None leaves it to the engine."""
    language: str | None = None
    """Its code, or `auto`; None leaves it to the engine. Other languages than English are heard by
    the second listener alone."""
    task: Task = "transcribe"
    """`translate`: into English. What is said in English is transcribed."""
    speakers: int = 0
    """How many people are told apart in each channel, at most; 0: none are."""
    known_voices: tuple[npt.NDArray[np.float32], ...] = field(default=(), compare=False)
    """Of people who may come, as `RecognizerFactory.voice_print` gives them; they have the labels
    0, 1, 2 …"""
    writing: WritingOptions = field(default_factory=WritingOptions)
    """How words are written."""
    turns: TurnOptions | None = None
    """Whether, and when, to tell of turns."""
    keep_echo: bool = False
    """Of two channels: what the first hears of the second counts as its own."""

    def changed(self, change: SessionChange) -> SessionOptions:
        """These options after a change."""
        return replace(
            self,
            context=self.context if change.context is None else change.context,
            hot_words=self.hot_words if change.hot_words is None else change.hot_words,
            turns=change.turns or self.turns,
        )


@dataclass(frozen=True, slots=True)
class StartPoint:
    """Where a recognizer begins: behind all that was committed in its channel before."""

    sample: int = 0
    """Of the session clock (16 kHz); a multiple of the detector's frame of 512."""
    word_id: int = 0
    """Of the next word."""
    segment_id: int = 0
    """Of the next segment."""
    lost_samples: int = 0
    """So far."""
    speakers: int = 0
    """Labels that were given in its channel: the voices behind them are not known any more."""


BEGINNING: Final = StartPoint()


class SpeechRecognizer(Protocol):
    """One session's recognizer. Synchronous; never called from two threads at once,
    except `accept`, which may run beside a step."""

    @property
    def received_samples(self) -> int:
        """End of the audio that has arrived, on the session clock (16 kHz)."""

    @property
    def processed_samples(self) -> int:
        """End of the audio that the models have covered."""

    @property
    def lost_samples(self) -> int: ...

    def accept(self, samples: npt.NDArray[np.float32]) -> list[AudioLost]:
        """Take 16 kHz samples, `[frames]` or `[frames, channels]`. Cheap; reports audio that an
        overrun pushed out unheard."""

    def skip(self, n_samples: int, reason: str) -> list[AudioLost]:
        """Advance the clock over audio that never arrived; silence stands in for it. Gives the
        hole itself, in each channel, and audio that an overrun pushed out unheard."""

    def hush(self, start: int) -> None:
        """What is heard in the frame of the detector that begins at this sample, and that is yet to
        be accepted, is no speech of this channel."""

    def due(self) -> bool:
        """Whether enough new audio has arrived for a step."""

    def step(self, *, thorough: bool = False) -> Iterator[SessionEvent]:
        """Process what is due. Yields events as soon as they are known (tentative text first).

        Args:
            thorough: as if each piece of audio had come in time: no more of it than one step
                covers then, however much waits.
        """

    def finalize(self, cause: str = "finalize") -> Iterator[SessionEvent]:
        """Process all audio that has arrived and close the open segment, for `cause`."""

    def change(self, change: SessionChange) -> None:
        """Between two steps: counts for all that is not committed."""

    def close(self) -> None:
        """Free caches. No call may follow."""


class RecognizerFactory(Protocol):
    """What a server needs of the engine. The real one is `streamer.recognition.engine.Engine`."""

    @property
    def models(self) -> dict[str, str]:
        """Role to model name, as clients see it in `ready`."""

    @property
    def default_decoder(self) -> Decoder:
        """The better one that this engine has; `draft` means that it has no LLM."""

    @property
    def languages(self) -> Collection[str]:
        """Those that sessions may ask for, by code."""

    @property
    def default_language(self) -> str:
        """Of sessions that ask for none; maybe `auto`."""

    @property
    def executor(self) -> DeadlineExecutor: ...

    def recognizer(
        self, options: SessionOptions, trace: SpanSink, start: StartPoint = BEGINNING, /
    ) -> SpeechRecognizer:
        """A recognizer for a session. Cheap: servers call it on the event loop.

        Raises:
            streamer.recognition.languages.UnknownLanguageError: the language is not to be had.
        """

    def trace(self, open_sink: Callable[[str], SpanSink], /) -> None:
        """Write down what models do for all sessions together, from now on, on each device that
        tells when: `open_sink` gives what takes its spans, by its name."""

    def voice_print(self, samples: npt.NDArray[np.float32], /) -> npt.NDArray[np.float32]:
        """What a person of whom this is a recording (16 kHz) is known by later. Blocks.

        Raises:
            streamer.recognition.speakers.enrolment.NoVoiceError: in which little is said.
        """

    def close(self) -> None:
        """Stop the executor and free the models; no recognizer may be in use. Idempotent."""
