"""A Moonshine and the detector on a graphics card: steps of hundreds of sessions, batched.

Encodings, drafts and the detector's frames of all sessions that wait at the same time go through
the models together, and the oldest waits a little for company. What a session remembers lies on
the card; only samples go there, and only tokens come back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streamer.audio.arrays import Floats
from streamer.decoding.beam import (
    BeamHypothesis,
    BeamRequest,
    ScoreRequest,
    beam_search,
    score_proposals,
)
from streamer.decoding.draft import draft_together
from streamer.decoding.speech import SharedSpeech
from streamer.models.card.device import Queue
from streamer.models.card.loading import CardModels
from streamer.models.card.vad import CardVad, VadAnswer, VadRequest
from streamer.models.moonshine.contract import AudioStream
from streamer.models.moonshine.tokenizer import Tokenizer
from streamer.models.store.catalog import MOONSHINE
from streamer.runtime.batcher import Batcher, Lane

MAX_BATCH: Final = 256


@dataclass(frozen=True)
class CardSpeech:
    """A `streamer.decoding.speech.LoadedSpeech`."""

    models: CardModels
    tokenizer: Tokenizer
    name: str = MOONSHINE.name
    decides_alone: bool = False

    @property
    def queues(self) -> tuple[Queue, ...]:
        return (self.models.speech_queue, self.models.vad.queue)

    def serve(self, batcher: Batcher, *, max_batch: int) -> SharedSpeech:
        """See `LoadedSpeech`; `max_batch` is for CPUs."""
        models, decoder = self.models, self.models.decoder

        def search(request: BeamRequest) -> list[BeamHypothesis]:
            with decoder.hypotheses():
                return beam_search(decoder, self.tokenizer, request)

        def score(request: ScoreRequest) -> list[BeamHypothesis]:
            with decoder.hypotheses():
                return score_proposals(decoder, request)

        return SharedSpeech(
            self.tokenizer,
            SharedVad(models.vad, batcher),
            encodings=batcher.lane(
                models.encoder.encode, max_batch=MAX_BATCH, exclusive=True, waits=True
            ),
            drafts=batcher.lane(
                lambda requests: draft_together(decoder, requests),
                max_batch=MAX_BATCH,
                exclusive=True,
                waits=True,
            ),
            beams=batcher.lane(
                lambda requests: [search(request) for request in requests], exclusive=True
            ),
            scores=batcher.lane(
                lambda requests: [score(request) for request in requests], exclusive=True
            ),
            frame_samples=models.encoder.frame_samples,
            open_stream=AudioStream,
            check_room=models.pools.check,
        )


class SharedVad:
    """The detector behind a lane: see `streamer.models.silero.Vad`."""

    def __init__(self, model: CardVad, batcher: Batcher) -> None:
        self._lane: Lane[VadRequest, VadAnswer] = batcher.lane(
            model.run_together, max_batch=MAX_BATCH, exclusive=True, waits=True
        )

    def run(self, frames: Floats, h: Floats, c: Floats) -> VadAnswer:
        return self._lane.run(VadRequest(frames, h, c))
