"""Two streams of samples on the clock of the first. No I/O here.

Two devices count their samples by two quartzes, which drift apart by some tens of milliseconds an
hour, and a device may lose samples or fall silent. The capture times of both tell: the second
stream is stretched by up to 0.3 %, which nobody hears, until it is in step again; at its
beginning, behind a break, or where it is off by more than a tenth of a second, it jumps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.client.microphone import MicrophoneChunk

MAX_STRETCH: Final = 0.003
"""A second of sound makes up for 3 ms. Quartzes differ by a thirtieth of that at most."""
IN_STEP_MS: Final = 5.0
"""Nothing is stretched while the streams are apart by less, smoothed over some ten chunks. So they
stay within this and what the drivers' own stamps are wrong by."""
JUMP_MS: Final = 100.0
_SMOOTHING: Final = 0.1
_MAX_WAIT_MS: Final = 500.0
"""For sound of the second device, so that one that says nothing does not keep the first waiting."""
_MAX_KEPT_S: Final = 10


class Alignment:
    """Takes chunks of both, gives those of the first with what the second heard meanwhile."""

    def __init__(self, sample_rate: int) -> None:
        """`sample_rate`: of both."""
        self._rate = sample_rate
        self._first: deque[MicrophoneChunk] = deque()
        self._second = np.zeros(0, np.float32)
        self._second_ms = 0.0
        """When its first sample that waits was captured."""
        self._apart_ms = 0.0
        """Smoothed: how much later the second stream is than the first where they are paired."""
        self._in_step = False

    def first(self, chunk: MicrophoneChunk) -> Iterator[MicrophoneChunk]:
        """Samples of what is given are `[frames, 2]`."""
        self._first.append(chunk)
        yield from self._paired()

    def second(self, chunk: MicrophoneChunk) -> Iterator[MicrophoneChunk]:
        """As `first`."""
        late_ms = chunk.capture_time_ms - self._second_ms - self._ms(len(self._second))
        if len(self._second) and late_ms > JUMP_MS:  # it has lost some
            missing = min(round(late_ms * self._rate / 1000), _MAX_KEPT_S * self._rate)
            self._second = np.concatenate([self._second, np.zeros(missing, np.float32)])
        self._second = np.concatenate([self._second, chunk.samples])[-_MAX_KEPT_S * self._rate :]
        # The newest stamp tells where the end is; that of older samples follows from it.
        waiting_ms = self._ms(len(self._second) - len(chunk.samples))
        self._second_ms = chunk.capture_time_ms - waiting_ms
        yield from self._paired()

    def _paired(self) -> Iterator[MicrophoneChunk]:
        while self._first:
            chunk = self._first[0]
            n = len(chunk.samples)
            end_ms = chunk.capture_time_ms + self._ms(n)
            second_end_ms = self._second_ms + self._ms(len(self._second))
            newest = self._first[-1]
            waited_ms = newest.capture_time_ms + self._ms(len(newest.samples)) - end_ms
            if second_end_ms < end_ms + JUMP_MS / 2 and waited_ms < self._patience_ms:
                return
            self._first.popleft()
            beside = self._take(chunk.capture_time_ms, n)
            yield MicrophoneChunk(
                np.stack([chunk.samples, beside], axis=1),
                chunk.capture_time_ms,
                chunk.lost_before,
            )

    @property
    def _patience_ms(self) -> float:
        return _MAX_WAIT_MS if len(self._second) else 0.0

    def _take(self, start_ms: float, n: int) -> Floats:
        """What the second heard in `n` samples from `start_ms` on; silence where it did nothing."""
        apart_ms = self._second_ms - start_ms
        if not len(self._second) or apart_ms >= self._ms(n):
            self._in_step = False
            return np.zeros(n, np.float32)
        if abs(apart_ms) > JUMP_MS or not self._in_step:
            self._jump(round(apart_ms * self._rate / 1000))
            self._apart_ms = apart_ms = 0.0
            self._in_step = True
        self._apart_ms += _SMOOTHING * (apart_ms - self._apart_ms)
        wanted = n
        if abs(self._apart_ms) > IN_STEP_MS and len(self._second) > n + n // 10:
            # Who is behind gives more samples in the same time.
            wanted -= round(np.sign(self._apart_ms) * MAX_STRETCH * n)
            self._apart_ms += self._ms(wanted - n)
        taken, self._second = self._second[:wanted], self._second[wanted:]
        self._second_ms += self._ms(len(taken))
        taken = np.pad(taken, (0, wanted - len(taken)))
        if wanted == n:
            return taken
        return np.interp(np.linspace(0, wanted - 1, n), np.arange(wanted), taken).astype(np.float32)

    def _jump(self, n_samples: int) -> None:
        """The second goes on so much later; earlier, if that is less than 0."""
        if n_samples > 0:
            self._second = np.concatenate([np.zeros(n_samples, np.float32), self._second])
        else:
            n_samples = max(n_samples, -len(self._second))
            self._second = self._second[-n_samples:]
        self._second_ms -= self._ms(n_samples)

    def _ms(self, n_samples: int) -> float:
        return n_samples * 1000 / self._rate
