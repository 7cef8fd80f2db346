"""Moonshine as its makers ship it, run as it is: what the rebuilt graphs are measured against."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from streamer.audio.arrays import Floats
from streamer.models.moonshine.tokenizer import BOS, EOS, HEAD_DIM, N_HEADS, N_LAYERS
from streamer.models.onnx.runtime import open_session


class ShippedMoonshine:
    """Encoder and merged decoder in ONNX Runtime's format."""

    def __init__(self, encoder: Path, decoder: Path) -> None:
        self._encoder = open_session(encoder, threads=1)
        self._decoder = open_session(decoder, threads=1)
        self._names = [
            f"past_key_values.{layer}.{side}.{part}"
            for layer in range(N_LAYERS)
            for side in ("decoder", "encoder")
            for part in ("key", "value")
        ]

    def encode(self, samples: Floats) -> Floats:
        """States `[1, S, 288]`."""
        mask = np.ones((1, len(samples)), np.int64)
        states: Floats = self._encoder.run(
            None, {"input_values": samples[None], "attention_mask": mask}
        )[0]
        return states

    def step(
        self, states: Floats, n_samples: int, tokens: list[int], cache: list[Floats] | None
    ) -> tuple[Floats, list[Floats]]:
        """Logits `[1, T, V]` and caches behind the tokens."""
        empty = np.zeros((1, N_HEADS, 0, HEAD_DIM), np.float32)
        past = cache or [empty] * len(self._names)
        feed: dict[str, npt.NDArray[np.generic]] = {
            "input_ids": np.array([tokens], np.int64),
            "encoder_hidden_states": states,
            "encoder_attention_mask": np.ones((1, n_samples), np.int64),
            "use_cache_branch": np.array([cache is not None]),
        }
        feed.update(zip(self._names, past, strict=True))
        logits, *present = self._decoder.run(None, feed)
        if cache is not None:  # the cached branch does not hand the audio's part on
            for i, name in enumerate(self._names):
                if ".encoder." in name:
                    present[i] = cache[i]
        return logits, present

    def decode(self, states: Floats, n_samples: int, max_tokens: int) -> list[int]:
        """Greedily, token by token; the end token is left out."""
        found: list[int] = []
        logits, cache = self.step(states, n_samples, [BOS], None)
        while len(found) < max_tokens:
            token = int(logits[0, -1].argmax())
            if token == EOS:
                break
            found.append(token)
            logits, cache = self.step(states, n_samples, [token], cache)
        return found
