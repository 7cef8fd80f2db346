"""The classifier of sounds for all sessions, behind a lane."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from streamer.audio.arrays import Floats
from streamer.models.sounds.classifier import SoundClassifier, SoundStream
from streamer.models.store.catalog import SOUNDS
from streamer.models.store.zoo import Zoo
from streamer.recognition.contract import SessionOptions, StartPoint
from streamer.recognition.sounds.monitor import SoundMonitor
from streamer.recognition.sounds.music import SoundOptions
from streamer.recognition.stage_times import StageTimes
from streamer.runtime.batcher import Batcher, Lane, call_each


def load_sounds(zoo: Zoo) -> SoundClassifier:
    """Its weights are read by the first session that asks.

    Raises:
        ModelError: they are missing or corrupt.
    """
    return SoundClassifier(zoo.path(SOUNDS.name, "sounds.onnx"))


class SoundService:
    """Makes what each session asks."""

    def __init__(
        self,
        classifier: SoundClassifier | None,
        batcher: Batcher,
        options: SoundOptions | None = None,
    ) -> None:
        """
        Args:
            classifier: None tells nobody of sounds.
        """
        self.classifier = classifier
        self._options = options or SoundOptions()
        self._lane: Lane[Callable[[], Floats], Floats] = batcher.lane(call_each)

    def monitor(
        self, options: SessionOptions, stages: StageTimes, start: StartPoint
    ) -> SoundMonitor | None:
        """For one session; None if it does not ask, or nobody can tell."""
        if self.classifier is None or not options.sounds:
            return None
        begin = partial(SoundStream, self.classifier)
        return SoundMonitor(begin, self._lane, self._options, stages, start.sample)
