"""The emotion classifier for all sessions where many windows cost hardly more than one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from streamer.models.emotion.classifier import EmotionModel, EmotionScores, Samples
from streamer.models.emotion.loading import load_emotion_model
from streamer.models.fusion.audio_aware import AudioInputs
from streamer.models.store.catalog import EMOTION
from streamer.models.store.zoo import Zoo
from streamer.recognition.emotion_monitor import EmotionLane, EmotionMonitor, EmotionOptions
from streamer.recognition.words.audio_aware import emotion_monitor
from streamer.runtime.batcher import Batcher, Lane, call_each
from streamer.runtime.tracing import SpanSink

MAX_BATCH: Final = 64


def load_emotion(name: str, zoo: Zoo, device: str, *, batched: bool) -> EmotionModel:
    """
    Args:
        name: as of `load_emotion_model`.
        batched: run the project's own in PyTorch, in a queue of its own: beside the speech encoder.

    Raises:
        ModelError: it is missing or another model.
        DeviceUnavailableError: the device is not usable.
    """
    if not batched or name != EMOTION.name:
        return load_emotion_model(name, zoo, device=device)
    # Seconds of imports, only where they are used.
    from streamer.models.card.device import Card
    from streamer.models.card.emotion import CardEmotion

    card = Card(device)
    return CardEmotion(zoo.path(EMOTION.name, "emotion.onnx"), card, card.queue("emotion"))


class EmotionService:
    """What tells the emotion, for all sessions."""

    def __init__(
        self,
        model: EmotionModel | None,
        batcher: Batcher,
        options: EmotionOptions,
        inputs: AudioInputs | None,
    ) -> None:
        """
        Args:
            model: None tells nobody.
            inputs: what a trained fusion takes; its model's states may be among them.
        """
        self._options, self._inputs = options, inputs
        self._shared = SharedEmotion(model, batcher) if model and model.batched else None
        self._model = self._shared or model
        lane: Lane[Callable[[], EmotionScores], EmotionScores] = batcher.lane(call_each)
        self._lane: EmotionLane = self._shared or lane

    def monitor(self, spans: SpanSink) -> EmotionMonitor | None:
        """For one session."""
        if self._model is None:
            return None
        return emotion_monitor(self._model, self._lane, self._options, spans, self._inputs)

    def close(self) -> None:
        """Before the batcher."""
        if self._shared is not None:
            self._shared.close()


class SharedEmotion(EmotionModel):
    """Windows of sessions that wait at the same time go through the model together."""

    def __init__(self, model: EmotionModel, batcher: Batcher) -> None:
        super().__init__(model.labels, None)
        self.shown_from = model.shown_from
        self._name = model.name
        # They wait for the model and compute nothing themselves.
        self._waiting = ThreadPoolExecutor(MAX_BATCH, "emotion")
        self._lane: Lane[Samples, Samples] = batcher.lane(
            model.probabilities_together, max_batch=MAX_BATCH, exclusive=True, waits=True
        )

    @property
    def name(self) -> str:
        return self._name

    def submit(self, call: Callable[[], EmotionScores], /) -> Future[EmotionScores]:
        """See `streamer.recognition.emotion_monitor.EmotionLane`."""
        return self._waiting.submit(call)

    def close(self) -> None:
        """What is under way is finished, what waits is not begun."""
        self._waiting.shutdown(cancel_futures=True)

    def _probabilities(self, samples: Samples) -> Samples:
        return self._lane.run(samples)
