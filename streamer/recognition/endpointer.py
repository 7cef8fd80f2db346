"""From speech probabilities to the start and end of segments.

A segment opens some time before the first speech frame (pre-roll), so that soft first sounds are
not clipped, and closes when silence has lasted for the hangover.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from streamer.audio.clock import samples_from_ms


@dataclass(frozen=True)
class EndpointerOptions:
    speech_threshold: float = 0.5
    """A frame at or above this probability is speech."""
    silence_threshold: float = 0.35
    """Inside a segment a frame below this is silence; between the two nothing changes."""
    min_speech_ms: float = 96
    """Speech must last this long to open a segment."""
    pre_roll_ms: float = 400
    """Audio taken along from before the first speech frame."""
    hangover_ms: float = 800
    """Silence that ends a segment."""
    post_roll_ms: float = 320
    """Silence kept at the end of a segment; the decoder needs some to end its sentence."""


class Edge(Enum):
    START = "start"
    END = "end"


@dataclass(frozen=True, slots=True)
class Transition:
    """Speech starts or ends at `sample`; it was known when frame `decided_at` had been heard.

    Where a mark stands in the middle of what turns out to be speech, that starts at the mark, but
    is heard from `audio_from` on.
    """

    edge: Edge
    sample: int
    decided_at: int
    audio_from: int


class Endpointer:
    """Endpointing over a stream of frame probabilities."""

    def __init__(self, frame_samples: int, options: EndpointerOptions) -> None:
        self._frame = frame_samples
        self._options = options
        self._position = 0
        self._speech_frames = 0
        self._last_end = 0
        self._mark = 0
        self._open = False
        self._silent_since: int | None = None

    @property
    def is_open(self) -> bool:
        return self._open

    @property
    def silent_since(self) -> int | None:
        """Where a pause in the open segment began; None: somebody speaks, or none is open."""
        return self._silent_since

    @property
    def pause_end(self) -> int | None:
        """Where the open segment will end if the silence lasts, once it was heard up to there."""
        if not self._open or self._silent_since is None:
            return None
        end = self._silent_since + samples_from_ms(self._options.post_roll_ms)
        return end if end <= self._position else None

    def push(self, probabilities: Sequence[float]) -> list[Transition]:
        """Take the next frames; gives the transitions they decide, in order."""
        made = []
        for probability in probabilities:
            start, self._position = self._position, self._position + self._frame
            found = self._inside(probability, start) if self._open else self._outside(probability)
            if found is not None:
                made.append(found)
        return made

    def close(self, sample: int) -> None:
        """The segment was ended from outside at `sample`."""
        self._open, self._silent_since, self._speech_frames = False, None, 0
        self._last_end = sample

    def mark(self, sample: int) -> None:
        """All before is told: no segment may begin there any more."""
        self._mark = sample

    def jump(self, sample: int) -> None:
        """Go on at `sample`, forgetting what came before (audio was lost)."""
        self._position = sample
        self.close(sample)

    def _outside(self, probability: float) -> Transition | None:
        if probability < self._options.speech_threshold:
            self._speech_frames = 0
            return None
        self._speech_frames += 1
        if self._speech_frames * self._frame < samples_from_ms(self._options.min_speech_ms):
            return None
        onset = self._position - self._speech_frames * self._frame
        begin = max(self._last_end, onset - samples_from_ms(self._options.pre_roll_ms), 0)
        self._open, self._silent_since = True, None
        return Transition(Edge.START, max(begin, self._mark), self._position, begin)

    def _inside(self, probability: float, start: int) -> Transition | None:
        if probability >= self._options.silence_threshold:
            if probability >= self._options.speech_threshold:
                self._silent_since = None
            return None
        if self._silent_since is None:
            self._silent_since = start
        if self._position - self._silent_since < samples_from_ms(self._options.hangover_ms):
            return None
        end = self._silent_since + samples_from_ms(self._options.post_roll_ms)
        end = min(end, self._position)
        self.close(end)
        return Transition(Edge.END, end, self._position, end)
