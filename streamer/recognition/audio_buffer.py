"""The audio of one session on its clock: what has arrived, and what was lost of it."""

from __future__ import annotations

import threading

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.ring_buffer import RingBuffer
from streamer.recognition.contract import BEGINNING, StartPoint
from streamer.transcript.events import AudioLost


class AudioBuffer:
    """Keeps the newest audio and counts what an overrun pushes out before a step took it.

    Audio may arrive beside a step; the rest is the step's thread's alone.
    """

    def __init__(
        self, max_waiting_samples: int, kept_samples: int, start: StartPoint = BEGINNING
    ) -> None:
        """
        Args:
            max_waiting_samples: audio that may wait for its step.
            kept_samples: audio that stays readable behind that.
        """
        self._max_waiting = max_waiting_samples
        self._ring = RingBuffer(max_waiting_samples + kept_samples, start.sample)
        self._lock = threading.Lock()
        self._claimed = start.sample
        self._lost_until = start.sample
        self._lost = start.lost_samples

    @property
    def start(self) -> int:
        """First sample that can still be read."""
        return self._ring.start

    @property
    def end(self) -> int:
        """End of the audio that has arrived."""
        return self._ring.end

    @property
    def lost_samples(self) -> int:
        return self._lost

    def read(self, start: int, end: int) -> Floats:
        """The samples `start … end`."""
        return self._ring.read(start, end)

    def read_what_is_there(self, start: int, end: int) -> Floats:
        """The samples `start … end`, as far as they are still, or already, there."""
        start = max(start, self.start)
        return self.read(start, max(start, min(end, self.end)))

    def accept(self, samples: Floats) -> list[AudioLost]:
        """Take what has arrived; reports audio that an overrun pushed out."""
        with self._lock:
            end = self._ring.write(samples)
            return self._overrun(end - self._max_waiting, end)

    def skip(self, n_samples: int, reason: str) -> list[AudioLost]:
        """Advance the clock over audio that never arrived; silence stands in for it."""
        with self._lock:
            start = self._ring.end
            for at in range(0, n_samples, self._max_waiting):
                self._ring.write(np.zeros(min(self._max_waiting, n_samples - at), np.float32))
            # The silence itself is counted as the hole already.
            overrun = self._overrun(self._ring.end - self._max_waiting, start)
            return [self._lose(start, n_samples, reason), *overrun]

    def claim(self, end: int) -> None:
        """A step takes the audio before `end`: it is not lost any more."""
        with self._lock:
            self._claimed = end

    def claim_behind_loss(self, position: int, frame_samples: int) -> int | None:
        """Where to go on, in whole frames, if an overrun took audio behind `position`; None if it
        did not."""
        with self._lock:
            end = -(-self._lost_until // frame_samples) * frame_samples
            if end <= position:
                return None
            self._claimed = end
            return end

    def _overrun(self, oldest: int, counted_until: int) -> list[AudioLost]:
        """Give up all waiting audio before `oldest`; what lies before `counted_until` is loss."""
        lost_from = max(self._claimed, self._lost_until)
        self._lost_until = max(self._lost_until, oldest)
        lost = min(oldest, counted_until) - lost_from
        return [self._lose(lost_from, lost, "overrun")] if lost > 0 else []

    def _lose(self, start: int, n_samples: int, reason: str) -> AudioLost:
        self._lost += n_samples
        return AudioLost(start, n_samples, reason)
