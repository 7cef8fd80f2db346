"""What a client may have to say again: audio, and commands between it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from streamer.protocol.messages import ConfigureMessage, FinalizeMessage, StopMessage


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples, `[frames]` or `[frames, channels]`, or bytes of a container, their offset in all
    audio, and when the first was captured (Unix epoch; 0 if unknown)."""

    offset: int
    samples: npt.NDArray[np.float32 | np.uint8]
    capture_time_ms: float

    @property
    def end(self) -> int:
        return self.offset + len(self.samples)


@dataclass(frozen=True, slots=True)
class Command:
    """A message that stands behind all audio before `end`."""

    end: int
    message: ConfigureMessage | FinalizeMessage | StopMessage


Item = Chunk | Command


class ResendBuffer:
    """Audio on its way, oldest first: sent items, then unsent ones.

    Sent audio is kept until the server has it and its words are committed. If that comes to more
    than `limit` samples, the oldest goes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sent: deque[Item] = deque()
        self._unsent: deque[Item] = deque()
        self._buffered = 0
        self._unsent_samples = 0
        self._acknowledged = 0
        self._released = 0

    @property
    def buffered_samples(self) -> int:
        return self._buffered

    @property
    def unsent_samples(self) -> int:
        return self._unsent_samples

    @property
    def unacknowledged_samples(self) -> int:
        """Sent or not, the server has not confirmed them."""
        return sum(
            item.end - max(item.offset, self._acknowledged)
            for item in (*self._sent, *self._unsent)
            if isinstance(item, Chunk) and item.end > self._acknowledged
        )

    @property
    def missing_samples(self) -> int:
        """How much audio behind the acknowledged is not kept any more, or never was there."""
        offsets = (item.offset for item in (*self._sent, *self._unsent) if isinstance(item, Chunk))
        return max(0, next(offsets, self._acknowledged) - self._acknowledged)

    @property
    def next_offset(self) -> int | None:
        """Of the audio to be sent next; None if there is none."""
        return next((item.offset for item in self._unsent if isinstance(item, Chunk)), None)

    def add(self, item: Item) -> None:
        self._unsent.append(item)
        n_samples = _samples([item])
        self._buffered += n_samples
        self._unsent_samples += n_samples
        self._trim()

    def take(self) -> Item | None:
        """The next item, which counts as sent now; None if all are."""
        if not self._unsent:
            return None
        item = self._unsent.popleft()
        self._sent.append(item)
        self._unsent_samples -= _samples([item])
        return item

    def acknowledge(self, offset: int) -> None:
        """The server has all audio before."""
        self._acknowledged = max(self._acknowledged, offset)
        self._trim()

    def release(self, offset: int) -> None:
        """The words before are committed: their audio will never be needed again."""
        self._released = max(self._released, offset)
        self._trim()

    def rewind(self, offset: int) -> None:
        """Send audio again from an offset on, or from the oldest that is kept; commands too
        that stood at or behind it."""
        everything = (*self._sent, *self._unsent)
        self._sent, self._unsent = deque(), deque()
        for item in everything:
            if isinstance(item, Command):
                (self._sent if item.end < offset else self._unsent).append(item)
            elif item.end <= offset:
                self._sent.append(item)
            elif item.offset >= offset:
                self._unsent.append(item)
            else:
                done = offset - item.offset
                self._sent.append(Chunk(item.offset, item.samples[:done], 0.0))
                # The stamp belongs to the first sample; unknown is truer than wrong.
                self._unsent.append(Chunk(offset, item.samples[done:], 0.0))
        self._unsent_samples = _samples(self._unsent)

    def mute(self, channel: int, end: int) -> None:
        """What is still to be sent of the channel before the offset `end` becomes silence."""
        muted: deque[Item] = deque()
        for item in self._unsent:
            if isinstance(item, Chunk) and item.offset < end:
                samples = item.samples.copy()
                samples[: end - item.offset, channel] = 0
                muted.append(replace(item, samples=samples))
            else:
                muted.append(item)
        self._unsent = muted

    def _trim(self) -> None:
        done = min(self._acknowledged, self._released)
        while self._sent:
            oldest = self._sent[0]
            over = self._buffered > self._limit
            needed = oldest.end >= done if isinstance(oldest, Command) else oldest.end > done
            if needed and not over:
                return
            self._buffered -= _samples([self._sent.popleft()])
        while self._buffered > self._limit and self._unsent:
            n_samples = _samples([self._unsent.popleft()])
            self._buffered -= n_samples
            self._unsent_samples -= n_samples


def _samples(items: Iterable[Item]) -> int:
    return sum(len(item.samples) for item in items if isinstance(item, Chunk))
