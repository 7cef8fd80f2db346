"""Recordings on their way through the models on a card and, one by one, through ONNX Runtime's, of
the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.decoding.draft import Draft, DraftRequest, Prefix, draft_together
from streamer.models.card.encoding import SlotAudio
from streamer.models.card.loading import CardModels
from streamer.models.moonshine.contract import Audio, AudioEncoder, AudioStream, EncodeRequest
from streamer.models.moonshine.decoder import DraftDecoder
from streamer.models.moonshine.encoder import EncodedAudio

HOP: Final = 4_096
SILENCE: Final = 2_560


@dataclass(frozen=True)
class Exact:
    """ONNX Runtime in float32."""

    encoder: AudioEncoder[Any]
    decoder: DraftDecoder


@dataclass
class Walk:
    """A recording on its way into both, and the decoders' memory of it."""

    samples: Floats
    ours: AudioStream
    theirs: AudioStream = field(default_factory=AudioStream)
    frame_samples: int = 384
    start: int = 0
    end: int = 0
    prefix: Prefix = field(default_factory=Prefix)
    card_prefix: Prefix = field(default_factory=Prefix)

    @classmethod
    def of(cls, samples: Floats, exact: Exact) -> Walk:
        encoder = exact.encoder
        return cls(samples, encoder.open_stream(), frame_samples=encoder.frame_samples)

    def request(self, end: int, forgotten: int = 0, *, afresh: bool = False) -> EncodeRequest:
        self.end = end
        self.start += self.frame_samples * forgotten
        new = self.samples[max(0, end - HOP) : end]
        return EncodeRequest(self.theirs, forgotten, new, end - self.start, SILENCE, afresh)

    def expected(self, exact: Exact, request: EncodeRequest) -> EncodedAudio:
        if request.n_forgotten:
            exact.encoder.forget(self.ours, request.n_forgotten)
        exact.encoder.listen(self.ours, request.samples)
        audio = exact.encoder.audio(
            self.ours, request.n_samples, n_silent=request.n_silent, afresh=request.afresh
        )
        assert isinstance(audio, EncodedAudio)
        return audio


def same(found: Audio | Exception | None, expected: EncodedAudio) -> None:
    assert isinstance(found, SlotAudio)
    assert found.n_frames == expected.n_frames
    np.testing.assert_allclose(found.states, expected.states, atol=2e-4)


def tokens(draft: Draft) -> list[tuple[int, int]]:
    return [(token.id, token.frame) for token in draft.tokens]


def drafts(
    exact: Exact,
    models: CardModels,
    walks: Sequence[Walk],
    requests: Sequence[EncodeRequest],
    *,
    max_tokens: int = 60,
) -> int:
    """A step of all walks together on the card, and one by one; gives how many tokens were
    drafted."""
    heard = models.encoder.encode(requests)
    audios = [walk.expected(exact, request) for walk, request in zip(walks, requests, strict=True)]
    for encoded, audio in zip(heard, audios, strict=True):
        same(encoded, audio)
    found = draft_together(
        models.decoder,
        [
            DraftRequest(audio, walk.card_prefix, (), max_tokens)
            for audio, walk in zip(heard, walks, strict=True)
            if isinstance(audio, SlotAudio)
        ],
    )
    for walk, audio, draft in zip(walks, audios, found, strict=True):
        (expected,) = draft_together(
            exact.decoder, [DraftRequest(audio, walk.prefix, (), max_tokens)]
        )
        assert tokens(draft) == tokens(expected)
        np.testing.assert_allclose(
            [t.logprob for t in draft.tokens], [t.logprob for t in expected.tokens], atol=1e-3
        )
        # The first half is committed: it stays in the caches.
        committed = [token.id for token in expected.tokens[: len(expected.tokens) // 2]]
        walk.prefix = walk.prefix.followed_by(committed, expected.seen)
        walk.card_prefix = walk.card_prefix.followed_by(committed, draft.seen)
        assert walk.card_prefix.cache.n_tokens == walk.prefix.cache.n_tokens
    return sum(len(draft.tokens) for draft in found)
