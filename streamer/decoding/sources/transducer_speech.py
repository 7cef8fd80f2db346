"""A streaming transducer as sessions use it: chunks of all that wait are heard together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streamer.decoding.sources.card_speech import MAX_BATCH, SharedVad
from streamer.decoding.speech import PromptContext
from streamer.decoding.transduced import TransducedSpeech
from streamer.models.card.device import Queue
from streamer.models.card.places import Slots
from streamer.models.card.transducer.model import StreamingTransducer
from streamer.models.card.vad import CardVad
from streamer.models.moonshine.tokenizer import Tokenizer
from streamer.runtime.batcher import Batcher


@dataclass(frozen=True)
class TransducerSpeech:
    """A `streamer.decoding.speech.LoadedSpeech`."""

    model: StreamingTransducer
    tokenizer: Tokenizer
    vad: CardVad
    name: str
    decides_alone: bool = True

    @property
    def queues(self) -> tuple[Queue, ...]:
        return self.model.queue, self.vad.queue

    def serve(self, batcher: Batcher, *, max_batch: int) -> TransducerSource:
        """See `LoadedSpeech`; `max_batch` is for CPUs."""
        hearings = batcher.lane(self.model.hear, max_batch=MAX_BATCH, exclusive=True, waits=True)
        return TransducerSource(
            TransducedSpeech(self.tokenizer, SharedVad(self.vad, batcher), hearings),
            self.model.slots,
        )


@dataclass(frozen=True)
class TransducerSource:
    """See `streamer.decoding.speech.SpeechSource`."""

    speech: TransducedSpeech
    slots: Slots

    def session(self, prompt_context: Callable[[], PromptContext]) -> TransducedSpeech:
        """The same for all: it takes no prompt, and what is remembered is the segment's.

        Raises:
            NoSlotError: all places on the card are taken.
        """
        self.slots.check()
        return self.speech
