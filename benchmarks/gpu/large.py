"""Larger models in their true shapes with random weights: how fast they are, not what they say."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
import transformers

from streamer.models.card.transducer import StreamingTransducer

FRAME_MS: Final = 80.0
"""Of the transducer's encoder, behind its subsampling by 8."""
PRIMING_MS: Final = 5_600
"""Until its attention's left context is full."""


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


def whisper(device: torch.device, dtype: torch.dtype, scale: Scale) -> dict[str, Any]:
    """Whisper large-v3-turbo as a second ear: windows of 30 s, 24 tokens each."""
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
    rows = []
    with _random(transformers.WhisperForConditionalGeneration, config, device, dtype) as model:
        for batch in scale.batches(1, 8, 32, 64):
            mel = torch.randn(batch, 128, 3_000, device=device, dtype=dtype)
            encode_ms = _median_ms(lambda mel=mel: model.model.encoder(mel), device, scale.rounds)
            states = model.model.encoder(mel)
            start = torch.full((batch, 4), 50_257, device=device)

            def decode(states: Any = states, start: torch.Tensor = start) -> None:
                past, fed = None, start
                for _ in range(n_tokens):
                    out = model(
                        encoder_outputs=states,
                        decoder_input_ids=fed,
                        past_key_values=past,
                        use_cache=True,
                    )
                    past, fed = out.past_key_values, out.logits[:, -1:].argmax(-1)

            decode_ms = _median_ms(decode, device, max(1, scale.rounds // 4))
            rows.append(
                {
                    "windows": batch,
                    "encode_ms": round(encode_ms, 2),
                    f"decode_{n_tokens}_tokens_ms": round(decode_ms, 2),
                    "windows_per_s": round(1e3 * batch / (encode_ms + decode_ms), 1),
                }
            )
        return {"parameters": _count(model), "rows": rows}


def transducer(device: torch.device, dtype: torch.dtype, scale: Scale) -> dict[str, Any]:
    """A streaming transducer of 0.6 B, batched over sessions: cache-aware encoder, greedy search.
    Random weights would babble: they may say two tokens a frame at most."""
    encoder: dict[str, int] = {"num_mel_bins": 128}
    if scale.tiny:
        encoder |= {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
        encoder |= {"intermediate_size": 64, "subsampling_conv_channels": 8}
    search: dict[str, int] = {"max_symbols_per_step": 2}
    if scale.tiny:
        search |= {"vocab_size": 65, "blank_token_id": 64, "decoder_hidden_size": 16}
    config = transformers.NemotronAsrStreamingConfig(
        encoder_config=transformers.NemotronAsrStreamingEncoderConfig(**encoder), **search
    )
    rows = []
    kind = transformers.NemotronAsrStreamingForRNNT
    with _random(kind, config, device, dtype) as model:
        for look_ahead in (3, 13):
            chunk_ms = FRAME_MS * (look_ahead + 1)
            for batch in scale.batches(64, 256, 560, 1_024, 2_400):
                try:
                    took = _transducer_steps(model, batch, look_ahead, device, dtype, scale)
                except torch.OutOfMemoryError:
                    rows.append({"look_ahead_ms": chunk_ms, "sessions": batch, "error": "memory"})
                    break
                p95 = float(np.percentile(took, 95))
                rows.append(
                    {
                        "look_ahead_ms": chunk_ms,
                        "sessions": batch,
                        "step_ms": {
                            "p50": round(float(np.median(took)), 2),
                            "p95": round(p95, 2),
                        },
                        "keeps_up": p95 <= chunk_ms,
                    }
                )
                if p95 > chunk_ms and not scale.tiny:
                    break
        return {"parameters": _count(model), "rows": rows}


def _transducer_steps(
    model: Any,
    batch: int,
    look_ahead: int,
    device: torch.device,
    dtype: torch.dtype,
    scale: Scale,
) -> list[float]:
    """Milliseconds of each step: a chunk of every session through encoder and search."""
    n_mels = model.config.encoder_config.num_mel_bins
    lane = StreamingTransducer(model, look_ahead, batch)
    sessions = [lane.begin() for _ in range(batch)]
    priming = 1 if scale.tiny else int(PRIMING_MS / FRAME_MS) // (look_ahead + 1)
    took = []
    for _ in range(priming + scale.rounds):
        shape = (batch, lane.n_features(sessions[0]), n_mels)
        chunks = torch.randn(shape, device=device, dtype=dtype).unbind(0)
        _wait(device)
        began = time.perf_counter()
        lane.step(sessions, chunks)
        _wait(device)
        took.append(1e3 * (time.perf_counter() - began))
    return took[priming:]


def llm(device: torch.device, dtype: torch.dtype, scale: Scale) -> dict[str, Any]:
    """An LLM of 0.5 B that scores four hypotheses of 16 tokens a session, behind 128 of context
    that it remembers."""
    sizes: dict[str, Any] = {"vocab_size": 151_936, "tie_word_embeddings": True}
    if scale.tiny:
        sizes = {"vocab_size": 512, "hidden_size": 32, "num_hidden_layers": 2}
        sizes |= {"num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 64}
    else:
        sizes |= {"hidden_size": 896, "num_hidden_layers": 24, "num_attention_heads": 14}
        sizes |= {"num_key_value_heads": 2, "intermediate_size": 4_864}
    config = transformers.Qwen2Config(**sizes)
    rows = []
    with _random(transformers.Qwen2ForCausalLM, config, device, dtype) as model:
        for batch in scale.batches(1, 16, 64, 128):
            texts = torch.randint(0, 512, (4 * batch, 128), device=device)
            past = model(texts, use_cache=True, logits_to_keep=1).past_key_values

            def score(past: Any = past, fed: torch.Tensor = texts[:, :16]) -> torch.Tensor:
                logits = model(fed, past_key_values=past, use_cache=True).logits
                past.crop(-fed.shape[1])
                scored: torch.Tensor = logits.float().log_softmax(-1).gather(2, fed[..., None])
                return scored

            score_ms = _median_ms(score, device, scale.rounds)
            rows.append(
                {
                    "sessions": batch,
                    "pass_ms": round(score_ms, 2),
                    "decisions_per_s": round(1e3 * batch / score_ms, 1),
                }
            )
            del past
        return {"parameters": _count(model), "rows": rows}


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
