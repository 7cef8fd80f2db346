"""A tiny random streaming transducer in transformers' format, with what belongs to it, and what the
library makes such a one say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import transformers

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from tests.models.tiny_speech import WORDS, write_tokenizer

MELS: Final = 16
PUNCTUATION: Final = ".,:()'-"
MOST: Final = 10_000
"""Tokens: else the library may cut the last."""
LOOK_AHEADS: Final = (13, 6, 3, 1, 0)


def write_transducer(folder: Path, *, blank: float = 0.0, hop_samples: int = 160) -> None:
    """
    Args:
        blank: bias of the token that says nothing: with more of it less is said.
    """
    ids = write_tokenizer(folder, ["<blank>"], sentencepiece=True, pad_token="<unk>")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    extractor = transformers.NemotronAsrStreamingFeatureExtractor(
        feature_size=MELS, hop_length=hop_samples
    )
    transformers.NemotronAsrStreamingProcessor(
        extractor, tokenizer, supported_num_lookahead_tokens=list(LOOK_AHEADS)
    ).save_pretrained(folder)
    encoder = transformers.NemotronAsrStreamingEncoderConfig(
        num_mel_bins=MELS,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        subsampling_conv_channels=8,
        sliding_window=17,
    )
    config = transformers.NemotronAsrStreamingConfig(
        encoder_config=encoder,
        vocab_size=len(ids),
        blank_token_id=ids["<blank>"],
        pad_token_id=ids["<unk>"],
        decoder_hidden_size=16,
        max_symbols_per_step=3,
    )
    torch.manual_seed(5)
    model = transformers.NemotronAsrStreamingForRNNT(config)
    model.generation_config.decoder_start_token_id = ids["<blank>"]
    with torch.no_grad():
        # Random weights are shy: they say the same thing over and over.
        for part in (model.encoder_projector, model.decoder.decoder_projector, model.joint.head):
            part.weight.normal_(0, 2)
        for weight in model.decoder.lstm.parameters():
            weight.normal_(0, 1)
        model.decoder.embedding.weight.normal_(0, 3)
        # Words are likelier than letters.
        model.joint.head.weight[: len(ids) - len(WORDS)] *= 0.5
        # Marks that come late are no part of any word.
        for mark in PUNCTUATION:
            model.joint.head.bias[ids[mark]] = -100
        model.joint.head.weight[ids["<blank>"]] *= 2
        model.joint.head.bias[ids["<blank>"]] = blank
        _attend_to_changes(model, extractor)
    model.save_pretrained(folder)


def _attend_to_changes(model: Any, extractor: Any) -> None:
    """Random encoders give much the same for all sound: let what differs count."""
    rng = np.random.default_rng(7)
    loudness = 10.0 ** rng.uniform(-4, -0.5, 60).repeat(1_600)
    noise = rng.standard_normal(len(loudness)) * loudness
    tones = np.sin(np.arange(len(loudness)) * rng.uniform(0.05, 2, 60).repeat(1_600)) * loudness
    features = extractor((noise + tones).astype(np.float32), sampling_rate=SAMPLE_RATE)
    frames = model.eval().encoder(features["input_features"], num_lookahead_tokens=1)
    frames = frames.last_hidden_state[0]
    projector = model.encoder_projector
    projector.weight /= frames.std(0)
    projector.bias.copy_(-projector.weight @ frames.mean(0))


def n_chunks(n_samples: int, look_ahead: int, n_silent: int = 0) -> int:
    """That it takes to hear so many samples, and silence behind them, and one more for the rest."""
    step, reach = 1_280 * (look_ahead + 1), 1_280 * look_ahead + 256
    whole = max(0, (n_samples - reach) // step + 1)
    return max(whole + 1, -(-(n_samples + n_silent - reach) // step) + 1)


class Library:
    """What the transformers library says of whole recordings."""

    def __init__(self, folder: Path) -> None:
        library_class: Any = transformers.NemotronAsrStreamingForRNNT
        self.model = library_class.from_pretrained(folder)
        self.processor: Any = transformers.AutoProcessor.from_pretrained(folder)

    def features(self, samples: Floats, look_ahead: int, chunks: int) -> torch.Tensor:
        """Of so many chunks, with silence behind the samples."""
        n_frames = 8 * (look_ahead + 1) * chunks - 7
        padded = np.append(samples, np.zeros(160 * n_frames + SAMPLE_RATE, np.float32))
        found = self.processor.feature_extractor(padded, sampling_rate=SAMPLE_RATE)
        features: torch.Tensor = found["input_features"][:, :n_frames]
        return features

    def offline(self, samples: Floats, look_ahead: int, chunks: int) -> list[int]:
        """Tokens of the whole at once."""
        features = self.features(samples, look_ahead, chunks)
        return self._said(
            self.model.generate(
                input_features=features, num_lookahead_tokens=look_ahead, max_new_tokens=MOST
            )
        )

    def streamed(self, samples: Floats, look_ahead: int, chunks: int) -> list[int]:
        """Tokens of chunk after chunk."""
        features = self.features(samples, look_ahead, chunks)
        size = 8 * (look_ahead + 1)

        def parts() -> Iterator[torch.Tensor]:
            yield from torch.split(features, [size - 7, *[size] * (chunks - 1)], dim=1)

        return self._said(
            self.model.generate(
                input_features=parts(), num_lookahead_tokens=look_ahead, max_new_tokens=MOST
            )
        )

    def text(self, tokens: list[int]) -> str:
        text: str = self.processor.tokenizer.decode(tokens, skip_special_tokens=True)
        return text.strip()

    def _said(self, found: Any) -> list[int]:
        blank = self.model.config.blank_token_id
        pad = self.model.config.pad_token_id
        return [token for token in found.sequences[0].tolist()[1:] if token not in (blank, pad)]
