"""The channels of a session as one recognizer.

Each has a recognizer of its own, with its own buffer, detector and words; they step one after the
other, over the same stretch of the session clock. So all that is above, from the pace to the
store, deals with one stream, and the same sound gives the same events in the same order. A channel
in which nobody speaks costs its detector alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from streamer.audio.arrays import Floats
from streamer.recognition.channels.echo import EchoWatch
from streamer.recognition.channels.numbering import SessionNumbering
from streamer.recognition.contract import SessionChange, SpeechRecognizer, StartPoint
from streamer.transcript.events import AudioLost, SessionEvent, StepDone


class ChannelsRecognizer:
    """See `streamer.recognition.contract.SpeechRecognizer` for the contract; samples are
    `[frames, channels]`."""

    def __init__(
        self,
        recognizers: Sequence[SpeechRecognizer],
        starts: Sequence[StartPoint],
        *,
        keep_echo: bool,
        known_voices: int = 0,
    ) -> None:
        """
        Args:
            recognizers: of the channels, each at its start; they are closed with this.
            starts: the session goes on at the first of their samples; a channel whose own lies
                behind that has told what is before. Their ids are the session's.
            keep_echo: else what the first of two hears of the second alone is no speech.
            known_voices: how many each of them knows beforehand, the same ones.
        """
        self._recognizers = recognizers
        self._received = min(start.sample for start in starts)
        self._echo = None
        if len(recognizers) == 2 and not keep_echo:
            self._echo = EchoWatch(self._received)
        self._numbering = SessionNumbering(
            starts[0], channels=len(recognizers), known_voices=known_voices
        )
        self._steps = 0

    @property
    def received_samples(self) -> int:
        return self._received

    @property
    def processed_samples(self) -> int:
        """By the channel that is furthest behind."""
        return min(self._received, *(one.processed_samples for one in self._recognizers))

    @property
    def lost_samples(self) -> int:
        """Of all channels together."""
        return sum(one.lost_samples for one in self._recognizers)

    def accept(self, samples: Floats) -> list[AudioLost]:
        begin, self._received = self._received, self._received + len(samples)
        if self._echo is not None:
            for frame in self._echo.echoes(samples):
                self._recognizers[0].hush(frame)
        lost = []
        for channel, recognizer in enumerate(self._recognizers):
            told = max(0, recognizer.received_samples - begin)
            heard = recognizer.accept(np.ascontiguousarray(samples[told:, channel]))
            lost += [replace(one, channel=channel) for one in heard]
        return lost

    def skip(self, n_samples: int, reason: str) -> list[AudioLost]:
        begin, self._received = self._received, self._received + n_samples
        if self._echo is not None:
            self._echo.skip(n_samples)
        lost = []
        for channel, recognizer in enumerate(self._recognizers):
            missing = n_samples - max(0, recognizer.received_samples - begin)
            if missing > 0:
                missed = recognizer.skip(missing, reason)
                lost += [replace(one, channel=channel) for one in missed]
        return lost

    def due(self) -> bool:
        return any(one.due() for one in self._recognizers)

    def step(self, *, thorough: bool = False) -> Iterator[SessionEvent]:
        return self._told(
            (channel, one.step(thorough=thorough))
            for channel, one in enumerate(self._recognizers)
            if one.due()
        )

    def finalize(self, cause: str = "finalize") -> Iterator[SessionEvent]:
        return self._told(enumerate(one.finalize(cause) for one in self._recognizers))

    def change(self, change: SessionChange) -> None:
        for one in self._recognizers:
            one.change(change)

    def hush(self, start: int) -> None:
        """It is told of its first channel."""
        self._recognizers[0].hush(start)

    def close(self) -> None:
        for one in self._recognizers:
            one.close()

    def _told(self, passes: Iterable[tuple[int, Iterator[SessionEvent]]]) -> Iterator[SessionEvent]:
        """The events of the channels' passes, and one `StepDone` for all."""
        stages: dict[str, float] = {}
        stepped = False
        for channel, events in passes:
            for event in events:
                if isinstance(event, StepDone):
                    stepped = True
                    for stage, duration_ms in event.stages_ms.items():
                        stages[stage] = stages.get(stage, 0.0) + duration_ms
                else:
                    yield self._numbering.numbered(event, channel)
        if stepped:
            self._steps += 1
            processed = self.processed_samples
            yield StepDone(self._steps, processed, self._received - processed, stages)
