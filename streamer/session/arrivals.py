"""When each stretch of audio arrived, so that the age of what is still unheard is known."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from streamer.audio.clock import ms_from_samples

_MERGE_S: Final = 0.02
_MAX_MARKS: Final = 4096


@dataclass(frozen=True, slots=True)
class Arrival:
    """Audio `start_sample … end_sample` came at `monotonic_s`; it was captured at
    `capture_time_ms` (client's clock, milliseconds since the Unix epoch, 0 if unknown)."""

    start_sample: int
    end_sample: int
    monotonic_s: float
    capture_time_ms: float


class Arrivals:
    """The arrivals of audio that is not processed yet, oldest first.

    Bounded: chunks that come within 20 ms of each other share a mark.
    """

    def __init__(self) -> None:
        self._marks: deque[Arrival] = deque()

    def add(
        self, start_sample: int, end_sample: int, monotonic_s: float, capture_time_ms: float
    ) -> None:
        last = self._marks[-1] if self._marks else None
        if last is not None and (
            monotonic_s - last.monotonic_s < _MERGE_S or len(self._marks) >= _MAX_MARKS
        ):
            self._marks[-1] = replace(last, end_sample=end_sample)
            return
        self._marks.append(Arrival(start_sample, end_sample, monotonic_s, capture_time_ms))

    def forget_before(self, sample: int) -> None:
        """Drop what ends at or before `sample`."""
        while self._marks and self._marks[0].end_sample <= sample:
            self._marks.popleft()

    def oldest_s(self) -> float | None:
        """Monotonic arrival time of the oldest remaining audio."""
        return self._marks[0].monotonic_s if self._marks else None

    def age_ms(self, now_s: float) -> float:
        """Of the oldest remaining audio; 0 if there is none."""
        oldest_s = self.oldest_s()
        return 0.0 if oldest_s is None else max(0.0, (now_s - oldest_s) * 1000)

    def captured_ms(self, sample: int) -> float | None:
        """The client's clock when `sample` was captured, if it is still remembered and known."""
        for mark in self._marks:
            if mark.start_sample <= sample < mark.end_sample:
                if mark.capture_time_ms == 0:
                    return None
                return mark.capture_time_ms + ms_from_samples(sample - mark.start_sample)
        return None
