"""What sessions say that come and go is what the library makes each of them say alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import transformers

from streamer.models.card.transducer import StreamingTransducer, TransducerSession

MELS = 16
BLANK = 24


@pytest.fixture(scope="module")
def model() -> Any:
    if not hasattr(transformers, "NemotronAsrStreamingForRNNT"):
        pytest.skip("this transformers has no streaming transducer")
    torch.manual_seed(5)
    encoder = transformers.NemotronAsrStreamingEncoderConfig(
        num_mel_bins=MELS,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        subsampling_conv_channels=8,
        sliding_window=9,
    )
    config = transformers.NemotronAsrStreamingConfig(
        encoder_config=encoder,
        vocab_size=BLANK + 1,
        blank_token_id=BLANK,
        decoder_hidden_size=16,
        max_symbols_per_step=3,
    )
    made = transformers.NemotronAsrStreamingForRNNT(config).eval()
    made.generation_config.decoder_start_token_id = BLANK
    with torch.no_grad():
        # Random weights are shy: they say the same thing over and over.
        for part in (made.encoder_projector, made.decoder.decoder_projector, made.joint.head):
            part.weight.normal_(0, 1)
        made.decoder.embedding.weight.normal_(0, 3)
        made.joint.head.bias[BLANK] = 0.0
    return made


def sizes(look_ahead: int, n_chunks: int) -> list[int]:
    return [1 + 8 * look_ahead, *[8 * (look_ahead + 1)] * (n_chunks - 1)]


def by_the_library(model: Any, features: torch.Tensor, look_ahead: int, n_chunks: int) -> list[int]:
    def chunks() -> Iterator[torch.Tensor]:
        yield from features[None].split(sizes(look_ahead, n_chunks), dim=1)

    with torch.inference_mode():
        found = model.generate(input_features=chunks(), num_lookahead_tokens=look_ahead)
    return [token for token in found.sequences[0].tolist()[1:] if token != BLANK]


@pytest.mark.parametrize("look_ahead", [0, 1, 3])
def test_token_for_token(model: Any, look_ahead: int) -> None:
    torch.manual_seed(look_ahead)
    begins, n_chunks = (0, 0, 2, 5), (9, 4, 9, 6)
    features = [torch.randn(sum(sizes(look_ahead, n)), MELS) for n in n_chunks]
    cut = [f.split(sizes(look_ahead, n)) for f, n in zip(features, n_chunks, strict=True)]
    transducer = StreamingTransducer(model, look_ahead, 3)
    live: dict[int, TransducerSession] = {}
    said: list[list[int]] = [[] for _ in cut]
    for step in range(12):
        for at, begin in enumerate(begins):
            if step == begin:
                live[at] = transducer.begin()
            elif step == begin + n_chunks[at]:
                transducer.end(live.pop(at))
        if live:
            heard = [cut[at][step - begins[at]] for at in live]
            for at, tokens in zip(live, transducer.step(list(live.values()), heard), strict=True):
                said[at] += tokens
    expected = [
        by_the_library(model, f, look_ahead, n) for f, n in zip(features, n_chunks, strict=True)
    ]
    assert said == expected
    assert len({token for tokens in said for token in tokens}) > 3


def test_a_chunk_of_another_length_is_refused(model: Any) -> None:
    transducer = StreamingTransducer(model, 1, 1)
    session = transducer.begin()
    assert transducer.n_features(session) == 9
    with pytest.raises(ValueError, match="a chunk of 9 frames is wanted, not 16"):
        transducer.step([session], [torch.zeros(16, MELS)])
    with pytest.raises(IndexError):
        transducer.begin()
