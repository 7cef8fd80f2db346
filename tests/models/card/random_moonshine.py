"""Tiny random Moonshines of several shapes: on a card, as graphs of a CPU, and the library's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

import torch
import transformers

from streamer.audio.arrays import Floats
from streamer.decoding.loading import load_moonshine
from streamer.decoding.speech import SpeechModels
from streamer.models.card.device import Card
from streamer.models.card.encoding import SlotAudio
from streamer.models.card.loading import CardModels, load_card_models
from streamer.models.moonshine.config import WINDOWED_FRAME_SAMPLES
from streamer.models.moonshine.contract import AudioStream, EncodeRequest
from streamer.models.moonshine.decoder import DraftDecoder
from streamer.models.moonshine.tokenizer import EOS
from streamer.models.moonshine.weights import read_folder
from streamer.models.silero import VadModel
from streamer.models.store.zoo import Zoo
from tests.models.card.walks import Exact
from tests.models.tiny_speech import write_moonshine, write_moonshine_streaming

MAX_TOKENS: Final = 24
WRITERS: Final[dict[str, Callable[[Path], None]]] = {
    "moonshine": write_moonshine,
    # An odd number of dimensions to be turned, and several layers.
    "another moonshine": partial(
        write_moonshine,
        hidden_size=48,
        intermediate_size=64,
        encoder_num_hidden_layers=3,
        decoder_num_hidden_layers=4,
        encoder_num_attention_heads=3,
        decoder_num_attention_heads=3,
        rope_parameters={
            "rope_type": "default",
            "rope_theta": 10_000.0,
            "partial_rotary_factor": 0.6,
        },
    ),
    "streaming": write_moonshine_streaming,
    "streaming of two widths": partial(write_moonshine_streaming, hidden_size=40, head_dim=20),
    "streaming of many windows": partial(
        write_moonshine_streaming,
        num_hidden_layers=4,
        sliding_windows=[[16, 4], [9, 0], [16, 2], [5, 3]],
    ),
}


@dataclass(frozen=True)
class Three:
    """A random model on a card, as graphs, and the library's."""

    folder: Path
    models: CardModels
    graphs: SpeechModels
    library: Any

    @property
    def exact(self) -> Exact:
        assert isinstance(self.graphs.decoder, DraftDecoder)
        return Exact(self.graphs.encoder, self.graphs.decoder)

    @property
    def streams(self) -> bool:
        return self.graphs.frame_samples == WINDOWED_FRAME_SAMPLES

    def states(self, samples: Floats) -> Floats:
        """The library's `[S, D]`, of the whole."""
        inputs = torch.from_numpy(samples)[None]
        # Without a mask the library forgets about windows.
        mask = torch.ones_like(inputs, dtype=torch.int64)
        with torch.inference_mode():
            found: Floats = self.library.get_encoder()(inputs, attention_mask=mask)[0][0].numpy()
        return found

    def generate(self, samples: Floats) -> list[int]:
        inputs = torch.from_numpy(samples)[None]
        mask = torch.ones_like(inputs, dtype=torch.int64)
        with torch.inference_mode():
            made = self.library.generate(
                inputs, attention_mask=mask, do_sample=False, max_new_tokens=MAX_TOKENS
            )
        return [int(token) for token in made[0][1:] if token != EOS]


def by_name(folder: Path, vad_file: Path, card: Card, n_sessions: int = 4) -> CardModels:
    weights = read_folder(folder, "the model", integer=False)
    return load_card_models(weights, vad_file, card, n_sessions=n_sessions)


def open_three(name: str, folder: Path, cache: Path, vad_file: Path, card: Card) -> Three:
    WRITERS[name](folder)
    graphs = load_moonshine(folder, "the model", Zoo(cache), VadModel(vad_file), integer=False)
    kind = "MoonshineStreaming" if "streaming" in name else "Moonshine"
    library = getattr(transformers, f"{kind}ForConditionalGeneration").from_pretrained(folder)
    return Three(folder, by_name(folder, vad_file, card), graphs, library.eval())


def whole(models: CardModels, recordings: Sequence[Floats]) -> list[SlotAudio]:
    """All encoded in one pass, each at once."""
    requests = [
        EncodeRequest(AudioStream(), 0, samples, len(samples), 0, afresh=True)
        for samples in recordings
    ]
    found = models.encoder.encode(requests)
    audios = [audio for audio in found if isinstance(audio, SlotAudio)]
    assert len(audios) == len(recordings)
    return audios
