"""Larger models in their true shapes with random weights: how fast they are, not what they say."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import torch
import transformers

from streamer.models.card.device import EAGER_RUNS, Card
from streamer.models.card.llm.contexts import slot_bytes, token_of
from streamer.models.card.llm.model import TOGETHER, CardLlm
from streamer.models.card.transducer.contract import FRAME_SAMPLES, HearRequest, TransducerStream
from streamer.models.card.transducer.model import StreamingTransducer
from streamer.models.card.whisper.listener import CardListener
from streamer.models.card.whisper.special import Special
from streamer.models.errors import NoRoomError
from streamer.models.llm.contract import LlmTokenRequest
from streamer.models.onnx.runtime import DeviceUnavailableError
from streamer.models.whisper.contract import (
    Hearing,
    ListenerOptions,
    ListenRequest,
    ScoreQuestion,
    TimesQuestion,
)
from streamer.models.whisper.tokens import WhisperTokens

FRAME_MS: Final = 80.0
"""Of the transducer's encoder, behind its subsampling by 8."""


@dataclass(frozen=True)
class Scale:
    """How large everything is; `tiny` for a dry run."""

    tiny: bool
    rounds: int

    def batches(self, *wanted: int) -> tuple[int, ...]:
        return (1, 2) if self.tiny else wanted


def roof(device: torch.device, dtype: torch.dtype, scale: Scale) -> dict[str, float]:
    """What the card gives at best, by its own matrix product and its own copy."""
    n = 256 if scale.tiny else 8_192
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    product_ms = _median_ms(lambda: a @ b, device, scale.rounds)
    source = torch.empty(1 << (16 if scale.tiny else 30), device=device, dtype=torch.int16)
    target = torch.empty_like(source)
    copy_ms = _median_ms(lambda: target.copy_(source), device, scale.rounds)
    return {
        "tflop_per_s": round(2 * n**3 / product_ms / 1e9, 3),
        "gb_per_s": round(2 * source.nbytes / copy_ms / 1e6, 2),
    }


def whisper(card: Card, scale: Scale) -> dict[str, Any]:
    """Whisper large-v3-turbo as a second ear, through the listener that sessions use: windows of
    ten seconds, greedy and by a beam of five; random weights never end, so each says 24 tokens."""
    sizes: dict[str, int] = {"vocab_size": 51_866, "num_mel_bins": 128}
    if scale.tiny:
        sizes |= {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2}
        sizes |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
        sizes |= {"encoder_ffn_dim": 64, "decoder_ffn_dim": 64}
    else:
        sizes |= {"d_model": 1_280, "encoder_layers": 32, "decoder_layers": 4}
        sizes |= {"encoder_attention_heads": 20, "decoder_attention_heads": 20}
        sizes |= {"encoder_ffn_dim": 5_120, "decoder_ffn_dim": 5_120}
    config = transformers.WhisperConfig(**sizes)
    n_tokens = 2 if scale.tiny else 24
    options = ListenerOptions(tokens_per_s=0, spare_tokens=n_tokens)
    kind = transformers.WhisperForConditionalGeneration
    rows = []
    with _random(kind, config, card.device, card.dtype) as model:
        most = max(scale.batches(16))
        special = Special(multilingual=True, closed=(), heads=((1, 0), (1, 1)), median_width=7)
        listener = CardListener(model, Spelling(), special, card, 3 * most, options)
        for width in (1, 5):
            for batch in scale.batches(1, 4, 16):
                sounds = np.random.default_rng(batch).normal(0, 0.1, (batch, 160_000))
                requests = [
                    ListenRequest(sound.astype(np.float32), "en", beam_width=width)
                    for sound in sounds
                ]
                rounds = max(2, scale.rounds // 4)
                took = _median_ms(partial(listener.hear, requests), card.device, rounds)
                rows.append(
                    {
                        "windows": batch,
                        "beam": width,
                        "tokens": n_tokens,
                        "hear_ms": round(took, 2),
                        "windows_per_s": round(1e3 * batch / took, 1),
                    }
                )
        return {
            "parameters": _count(model),
            "rows": rows,
            "questions": _questions(listener, most, card, scale, n_tokens),
        }


def _questions(
    listener: CardListener, most: int, card: Card, scale: Scale, n_tokens: int
) -> list[dict[str, Any]]:
    """What sessions ask about what was heard: how likely four texts are, and when one is said."""
    requests = [ListenRequest(np.zeros(160_000, np.float32), "en")] * most
    heard = [each for each in listener.hear(requests) if isinstance(each, Hearing)]
    text = "word " * (n_tokens // 2)
    rows = []
    for count in scale.batches(1, most):
        scores = [ScoreQuestion(hearing, [text] * 4) for hearing in heard[:count]]
        times = [TimesQuestion(hearing, text) for hearing in heard[:count]]
        score_ms = _median_ms(partial(listener.score, scores), card.device, scale.rounds)
        times_ms = _median_ms(partial(listener.times, times), card.device, scale.rounds)
        rows.append(
            {
                "sessions": len(scores),
                "texts_each": 4,
                "score_ms": round(score_ms, 2),
                "times_ms": round(times_ms, 2),
            }
        )
    return rows


class Spelling(WhisperTokens):
    """Tokens of no tokenizer: the shapes alone count."""

    def __init__(self) -> None:
        self.start, self.end = 50_258, 50_257
        self.languages = frozenset({"en"})
        self.language_ids = {"en": 50_259}

    @property
    def no_speech(self) -> int:
        return 50_363

    def prompt(self, language: str, task: str, *, multilingual: bool) -> list[int]:
        return [self.start, self.language_ids[language], 50_360, 50_364]

    def spell(self, text: str, language: str) -> list[int]:
        return list(range(100, 100 + len(text.split())))

    def read(self, tokens: Sequence[int]) -> str:
        return " ".join(map(str, tokens))

    def word_starts(self, tokens: Sequence[int], language: str) -> list[int]:
        return list(range(len(tokens)))


def transducer(card: Card, scale: Scale) -> dict[str, Any]:
    """A streaming transducer of 0.6 B through the model that sessions use: sound in, tokens out.
    The search is of fixed shape: what is said costs nothing, what might be said does."""
    encoder: dict[str, int] = {"num_mel_bins": 128}
    if scale.tiny:
        encoder |= {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
        encoder |= {"intermediate_size": 64, "subsampling_conv_channels": 8}
    search: dict[str, int] = {}
    if scale.tiny:
        search |= {"vocab_size": 65, "blank_token_id": 64, "decoder_hidden_size": 16}
        search |= {"max_symbols_per_step": 2}
    config = transformers.NemotronAsrStreamingConfig(
        encoder_config=transformers.NemotronAsrStreamingEncoderConfig(**encoder), **search
    )
    rows: list[dict[str, Any]] = []
    kind = transformers.NemotronAsrStreamingForRNNT
    with _random(kind, config, card.device, card.dtype) as model:
        for look_ahead in (3, 13):
            chunk_ms = FRAME_MS * (look_ahead + 1)
            for batch in scale.batches(64, 256, 560, 1_024, 2_400):
                row: dict[str, Any] = {"look_ahead_ms": chunk_ms, "sessions": batch}
                rows.append(row)
                try:
                    took, slot_bytes = _transducer_steps(model, batch, look_ahead, card, scale)
                except (torch.OutOfMemoryError, NoRoomError, DeviceUnavailableError):
                    row["error"] = "memory"
                    break
                p50, p95 = np.percentile(took, (50, 95))
                row["step_ms"] = {"p50": round(float(p50), 2), "p95": round(float(p95), 2)}
                row["place_mb"] = round(slot_bytes / 1e6, 2)
                row["keeps_up"] = bool(p95 <= chunk_ms)
                if not row["keeps_up"] and not scale.tiny:
                    break
        return {"parameters": _count(model), "rows": rows}


def _transducer_steps(
    model: Any, batch: int, look_ahead: int, card: Card, scale: Scale
) -> tuple[list[float], int]:
    """Milliseconds of each step, a chunk of every session; and bytes of a session's memory."""
    extractor = transformers.NemotronAsrStreamingFeatureExtractor(feature_size=128)
    queue = card.queue("transducer")
    lane = StreamingTransducer(model, extractor, look_ahead, card, queue, batch)
    streams = [TransducerStream() for _ in range(batch)]
    # Those who begin wait for nothing that others do not: two steps, and the graphs are there.
    priming = 1 if scale.tiny else EAGER_RUNS + 2
    draw = np.random.default_rng(batch)
    took = []
    for _ in range(priming + scale.rounds):
        shape = (batch, FRAME_SAMPLES * (look_ahead + 1))
        sound = draw.normal(0, 0.1, shape).astype(np.float32)
        requests = [HearRequest(s, samples) for s, samples in zip(streams, sound, strict=True)]
        _wait(card.device)
        began = time.perf_counter()
        answers = lane.hear(requests)
        took.append(1e3 * (time.perf_counter() - began))
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
    return took[priming:], lane.slot_bytes


def llm_shapes(*, tiny: bool = False) -> list[tuple[Any, Any]]:
    """Class and configuration of LLMs of 0.5 and 4 B: Qwen 2.5's and Qwen 3's."""
    small: dict[str, Any] = {"vocab_size": 151_936, "tie_word_embeddings": True, "bos_token_id": 1}
    small |= {"hidden_size": 896, "num_hidden_layers": 24, "num_attention_heads": 14}
    small |= {"num_key_value_heads": 2, "intermediate_size": 4_864}
    large = {**small, "hidden_size": 2_560, "num_hidden_layers": 36, "num_attention_heads": 32}
    large |= {"num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 9_728}
    if tiny:
        sizes = {"vocab_size": 512, "hidden_size": 32, "num_hidden_layers": 2}
        sizes |= {"num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 64}
        small, large = small | sizes, large | sizes
    return [
        (transformers.Qwen2ForCausalLM, transformers.Qwen2Config(**small)),
        (transformers.Qwen3ForCausalLM, transformers.Qwen3Config(**large)),
    ]


def llm(card: Card, scale: Scale) -> dict[str, Any]:
    """LLMs of 0.5 and 4 B through the model that sessions use. Of each session four hypotheses of
    16 tokens are scored behind 128 that it remembers; then with four new ones before them each
    time."""
    models = []
    for kind, config in llm_shapes(tiny=scale.tiny):
        with _random(kind, config, card.device, card.dtype) as model:
            place = slot_bytes(token_of(model))
            rows = [
                _decisions(CardLlm(model, card, card.queue("llm"), n), n, scale)
                for n in scale.batches(1, 4, 16, 64)
            ]
            found = {"parameters": _count(model), "place_mb": round(place / 1e6, 2), "rows": rows}
            models.append(found)
    return {"together": TOGETHER, "models": models}


def _decisions(lane: CardLlm, n_sessions: int, scale: Scale) -> dict[str, Any]:
    """More than may share a pass are served by several."""
    draw = np.random.default_rng(n_sessions)
    contexts = draw.integers(3, 512, (n_sessions, 129)).tolist()
    texts = draw.integers(3, 512, (n_sessions, 4, 16)).tolist()
    requests = [
        LlmTokenRequest(context, lane.new_cache(), rows, 0)
        for context, rows in zip(contexts, texts, strict=True)
    ]

    def answer(n_new: int) -> None:
        for context in contexts:
            context.extend(context[1 : 1 + n_new])
        for found in lane.logprobs(requests):
            if isinstance(found, NoRoomError):
                raise found

    device = lane.device
    score_ms = _median_ms(lambda: answer(0), device, scale.rounds)
    grown_ms = _median_ms(lambda: answer(4), device, min(scale.rounds, 20))
    return {
        "sessions": n_sessions,
        "pass_ms": round(score_ms, 2),
        "grown_pass_ms": round(grown_ms, 2),
        "decisions_per_s": round(1e3 * n_sessions / score_ms, 1),
    }


@contextmanager
def _random(kind: Any, config: Any, device: torch.device, dtype: torch.dtype) -> Iterator[Any]:
    """A model made where it runs, and its memory given back."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = kind(config).eval()
    finally:
        torch.set_default_dtype(before)
    model = model.to(device, dtype)
    with torch.inference_mode():
        yield model
    del model
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _median_ms(call: Callable[[], Any], device: torch.device, rounds: int) -> float:
    took: list[float] = []
    for _ in range(2 + rounds):
        _wait(device)
        began = time.perf_counter()
        call()
        _wait(device)
        took.append(1e3 * (time.perf_counter() - began))
    return float(np.median(took[2:]))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _count(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def encoder_flops(n_frames: int, n_known: int) -> float:
    """Of Moonshine tiny's layers for so many frames that attend to `n_known` in all."""
    width, wide, layers = 288, 1_152, 6
    products = 2 * n_frames * (4 * width * width + 2 * width * wide)
    attention = 4 * n_frames * n_known * width
    cross = 2 * n_frames * width * 2 * layers * width
    return layers * (products + attention) + cross


PEERS: Final[Sequence[dict[str, Any]]] = (
    {"model": "Kyutai STT 1B", "card": "H100", "sessions": 400, "as": "published"},
    {"model": "Nemotron 0.6 B, 320 ms", "card": "H100", "sessions": 560, "as": "published"},
    {"model": "Nemotron 0.6 B, 1.12 s", "card": "H100", "sessions": 2_400, "as": "published"},
)
