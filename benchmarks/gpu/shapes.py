"""Moonshines by name in their true shapes with random weights: how long a step of all sessions
takes, and what a session's place does."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import torch
import transformers

from benchmarks.gpu.large import Scale
from benchmarks.gpu.sessions import HOP, SILENCE, WEIGHTS
from benchmarks.profiling.random_moonshine import shapes, write_random
from streamer.decoding.draft import DraftRequest, Prefix, draft_together
from streamer.models.card.device import EAGER_RUNS, Card
from streamer.models.card.encoding import SlotAudio
from streamer.models.card.loading import CardModels, load_card_models
from streamer.models.card.slots import slot_bytes
from streamer.models.moonshine.contract import AudioStream, EncodeRequest
from streamer.models.moonshine.tokenizer import BOS
from streamer.models.moonshine.weights import read_folder

MEASURED: Final = ("base", "streaming tiny", "streaming medium")
GUESSED: Final = tuple(range(100, 114))
"""A draft checks so many tokens in one pass and decodes two: random weights never guess right."""
MAX_TOKENS: Final = 2


def moonshines(card: Card, scale: Scale) -> list[dict[str, Any]]:
    """Through the encoder and the decoder that sessions use, windows that grow to five seconds."""
    rows = []
    for name, config in _configs(scale):
        with TemporaryDirectory() as folder:
            write_random(config, Path(folder), 0)
            weights = read_folder(Path(folder), name, integer=False)
        counts = scale.batches(16, 64, 256)
        vad = WEIGHTS / "silero_vad_16k_sequence.onnx"
        models = load_card_models(weights, vad, card, n_sessions=max(counts))
        place = slot_bytes(weights.config, card.dtype)
        row: dict[str, Any] = {"model": name, "place_mb": round(place / 1e6, 2), "steps": []}
        for count in counts:
            took = _steps(models, count, scale)
            p50, p95 = np.percentile(took, (50, 95))
            step_ms = {"p50": round(float(p50), 2), "p95": round(float(p95), 2)}
            row["steps"].append({"sessions": count, "step_ms": step_ms})
        rows.append(row)
        del models, weights
        gc.collect()
        if card.is_cuda:
            torch.cuda.empty_cache()
    return rows


def _configs(scale: Scale) -> Iterator[tuple[str, Any]]:
    if not scale.tiny:
        yield from ((name, config) for name, config in shapes().items() if name in MEASURED)
        return
    sizes = {"hidden_size": 32, "intermediate_size": 64}
    layers = {"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2}
    sides = {f"{side}_{key}": n for side in ("encoder", "decoder") for key, n in layers.items()}
    yield "base", transformers.MoonshineConfig(**sizes, **sides)
    windowed = {**sizes, **layers, "sliding_windows": [[16, 4], [16, 0]]}
    yield (
        "streaming tiny",
        transformers.MoonshineStreamingConfig(
            encoder_config=windowed, decoder_start_token_id=BOS, **sizes, **layers
        ),
    )


def _steps(models: CardModels, count: int, scale: Scale) -> list[float]:
    """Milliseconds of each, once the usual passes have become graphs."""
    streams = [AudioStream() for _ in range(count)]
    draw = np.random.default_rng(count)
    priming = 1 if scale.tiny else EAGER_RUNS + 2
    took = []
    for step in range(1, 1 + priming + scale.rounds):
        sound = draw.normal(0, 0.1, (count, HOP)).astype(np.float32)
        began = time.perf_counter()
        audios = models.encoder.encode(
            [
                EncodeRequest(stream, 0, samples, step * HOP, SILENCE, afresh=False)
                for stream, samples in zip(streams, sound, strict=True)
            ]
        )
        asked = []
        for audio in audios:
            if not isinstance(audio, SlotAudio):
                raise audio or ValueError("a step of sound gave nothing")
            asked.append(DraftRequest(audio, Prefix(), GUESSED, MAX_TOKENS))
        draft_together(models.decoder, asked)
        took.append(1e3 * (time.perf_counter() - began))
    return took[priming:]
