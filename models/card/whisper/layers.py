"""The network of Whisper over rows of slots; modules and weights are the transformers library's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from streamer.models.card.device import Card
from streamer.models.card.spectra import BandPower
from streamer.models.whisper.features import (
    FFT_SAMPLES,
    FLOOR,
    HOP_SAMPLES,
    RANGE_BELS,
    mel_filters,
    window,
)

POSITION_SAMPLES: Final = 2 * HOP_SAMPLES

Attend = Callable[[int, Any, Tensor], Tensor]
"""From layer, its attention and what comes in, to what its heads bring."""


class Network:
    """Encoder, decoder and what lies between them."""

    def __init__(self, model: Any, card: Card) -> None:
        """
        Args:
            model: a `WhisperForConditionalGeneration` on the card, in its number format, in eval
                mode.
        """
        config = model.config
        self.width: int = config.d_model
        self.n_layers: int = config.decoder_layers
        self.max_positions: int = config.max_source_positions
        self.max_tokens: int = config.max_target_positions
        self.n_vocabulary: int = config.vocab_size
        self._encoder, self._decoder = model.model.encoder, model.model.decoder
        self._n_heads: int = config.decoder_attention_heads
        self._logits = model.proj_out
        self._dtype = card.dtype
        self._power = BandPower(
            card, window(), mel_filters(config.num_mel_bins), n_fft=FFT_SAMPLES, hop=HOP_SAMPLES
        )

    def states(self, samples: Tensor) -> Tensor:
        """`[B, P, D]` of `samples [B, N]` in float32, P = N / `POSITION_SAMPLES`."""
        encoder = self._encoder
        x = functional.gelu(encoder.conv1(self._features(samples).to(self._dtype)))
        x = functional.gelu(encoder.conv2(x)).transpose(1, 2)
        x = x + encoder.embed_positions.weight[: x.shape[1]]
        for layer in encoder.layers:
            attention = layer.self_attn
            normed = layer.self_attn_layer_norm(x)
            mixed = self.attended(
                attention, normed, attention.k_proj(normed), attention.v_proj(normed), None
            )
            x = x + attention.out_proj(mixed)
            x = x + layer.fc2(layer.activation_fn(layer.fc1(layer.final_layer_norm(x))))
        normed_states: Tensor = encoder.layer_norm(x)
        return normed_states

    def crossed(self, at: int, states: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of a decoder layer for the encoder's states."""
        attention = self._decoder.layers[at].encoder_attn
        return attention.k_proj(states), attention.v_proj(states)

    def decoded(self, tokens: Tensor, positions: Tensor, own: Attend, cross: Attend) -> Tensor:
        """The decoder's last states `[B, T, D]` for `tokens [B, T]`.

        Args:
            own, cross: see `Attend`; to the tokens before, and to the sound.
        """
        decoder = self._decoder
        x = decoder.embed_tokens(tokens) + decoder.embed_positions.weight[positions]
        for at, layer in enumerate(decoder.layers):
            normed = layer.self_attn_layer_norm(x)
            x = x + layer.self_attn.out_proj(own(at, layer.self_attn, normed))
            normed = layer.encoder_attn_layer_norm(x)
            x = x + layer.encoder_attn.out_proj(cross(at, layer.encoder_attn, normed))
            x = x + layer.fc2(layer.activation_fn(layer.fc1(layer.final_layer_norm(x))))
        last: Tensor = decoder.layer_norm(x)
        return last

    def logits(self, last: Tensor) -> Tensor:
        """In float32."""
        found: Tensor = self._logits(last).float()
        return found

    def weights(self, attention: Any, x: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """Of attention, `[B, H, T, S]`, in float32; `mask` is True where one attends."""
        query = self._heads(attention.q_proj(x) * attention.scaling)
        scores = (query @ self._heads(keys).transpose(-1, -2)).float()
        return scores.masked_fill(~mask, -torch.inf).softmax(-1)

    def attended(
        self, attention: Any, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None
    ) -> Tensor:
        """Attention of `x [B, T, D]` to `[B or 1, S, D]`; `mask` is True where one attends."""
        query = self._heads(attention.q_proj(x))
        shape = (len(query), -1, -1, -1)
        mixed = functional.scaled_dot_product_attention(
            query,
            self._heads(keys).expand(shape),
            self._heads(values).expand(shape),
            attn_mask=mask,
        )
        return mixed.transpose(1, 2).flatten(2)

    def _heads(self, flat: Tensor) -> Tensor:
        return flat.reshape(*flat.shape[:-1], self._n_heads, -1).transpose(1, 2)

    def _features(self, samples: Tensor) -> Tensor:
        """Log-mel spectra `[B, bands, F]`; see `streamer.models.whisper.features`."""
        reach = FFT_SAMPLES // 2
        padded = functional.pad(samples[:, None], (reach, reach), mode="reflect")[:, 0]
        power = self._power(padded)[:, : samples.shape[1] // HOP_SAMPLES]
        bels = power.clamp(min=FLOOR).log10()
        loudest = bels.amax((1, 2), keepdim=True)
        return ((torch.maximum(bels, loudest - RANGE_BELS) + 4) / 4).transpose(1, 2)
