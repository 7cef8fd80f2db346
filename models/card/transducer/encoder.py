"""The cache-aware encoder of a transducer (Noroozi et al., "Stateful Conformer with Cache-based
Inference for Streaming Automatic Speech Recognition", 2023) for rows that began at different times.

Each pass hears one chunk of every row. What a row remembers has a slot: keys and values in rings,
which a chunk overwrites where nobody looks any more; the edges of its convolutions twice, read from
one and written to the other. So a pass that is run again gives the same, and one that is run ahead
of time leaves no trace.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from streamer.models.card.device import Card
from streamer.models.card.spectra import BandPower

_LOG_FLOOR: Final = 2.0**-24


@dataclass(frozen=True)
class Rows:
    """Of a pass: a slot each, how many frames it has heard, and which of two edges it reads."""

    slots: Tensor
    n_heard: Tensor
    side: Tensor

    @property
    def first(self) -> Tensor:
        """Who has heard nothing."""
        return self.n_heard == 0


class Edge:
    """The newest inputs of a convolution, for the chunk that follows: `[2, slots, …]`."""

    def __init__(self, card: Card, n_slots: int, *shape: int) -> None:
        size = (2, n_slots, *shape)
        self._memory = torch.zeros(size, device=card.device, dtype=card.dtype)

    def joined(self, rows: Rows, new: Tensor, dim: int) -> Tensor:
        """New inputs behind those of the chunk before."""
        kept = self._memory[rows.side, rows.slots]
        # Who begins finds what the slot's last stream has left.
        kept = kept.masked_fill(rows.first.view(-1, *[1] * (kept.dim() - 1)), 0)
        whole = torch.cat((kept, new), dim=dim)
        n_kept = kept.shape[dim]
        self._memory[1 - rows.side, rows.slots] = whole.narrow(
            dim, whole.shape[dim] - n_kept, n_kept
        )
        return whole

    @property
    def nbytes(self) -> int:
        return self._memory.nbytes


class ChunkEncoder:
    """`NemotronAsrStreamingEncoder` of the transformers library, whose weights it has."""

    def __init__(
        self, encoder: Any, extractor: Any, look_ahead: int, card: Card, n_slots: int
    ) -> None:
        """
        Args:
            encoder: on the card, in its number format, in eval mode.
            extractor: the `NemotronAsrStreamingFeatureExtractor` that belongs to it.
            look_ahead: frames behind the newest, that a chunk brings along.
            n_slots: that memory is set aside for.

        Raises:
            DeviceUnavailableError: the card's memory is too small.
        """
        config = encoder.config
        self._encoder, self._extractor = encoder, extractor
        self._n_frames = look_ahead + 1
        chunks_before = (config.sliding_window - 1) // self._n_frames
        self._n_kept = chunks_before * self._n_frames
        self._factor: int = config.subsampling_factor
        # Some models were trained on coarser ones.
        stored = getattr(torch, getattr(extractor, "mel_filters_dtype", "float32"))
        window = torch.hann_window(extractor.win_length, periodic=False)
        self._power = BandPower(
            card,
            window.to(stored).float(),
            extractor.mel_filters.to(stored).float(),
            n_fft=extractor.n_fft,
            hop=extractor.hop_length,
        )
        width, n_layers = config.hidden_size, config.num_hidden_layers
        with card.fitting(f"{n_slots} sessions"):
            ring = (n_layers, n_slots, self._n_kept + self._n_frames, width)
            self._keys = torch.zeros(ring, device=card.device, dtype=card.dtype)
            self._values = torch.zeros_like(self._keys)
            self._stages = self._subsampling_edges(card, n_slots)
            reach = config.conv_kernel_size - 1
            self._edges = [Edge(card, n_slots, width, reach) for _ in range(n_layers)]
            self._distances = self._relative_keys(card)
            shift = torch.arange(self._n_frames - 1, -1, -1, device=card.device)[:, None]
            ring_order = torch.arange(self._n_kept + self._n_frames, device=card.device)
            self._columns, self._order = shift + ring_order, ring_order

    @property
    def chunk_samples(self) -> int:
        """That a chunk's pass takes: some are of the chunk before."""
        extractor = self._extractor
        hops = self._factor * self._n_frames - 1
        return int(hops * extractor.hop_length + extractor.n_fft)

    def first_sample(self, n_heard: int) -> int:
        """Of a chunk's samples, in a stream that was heard so far; those before 0 are silence."""
        frame = self._factor * (n_heard - 1) + 1
        return int(frame * self._extractor.hop_length - self._extractor.n_fft // 2)

    @property
    def nbytes(self) -> int:
        """Of the memory of all slots."""
        edges = [*self._stages, *self._edges]
        return self._keys.nbytes + self._values.nbytes + sum(edge.nbytes for edge in edges)

    def run(self, rows: Rows, samples: Tensor) -> Tensor:
        """The frames `[B, F, D]` of a chunk of each row, `samples [B, chunk_samples]`."""
        subsampled = self._subsampled(rows, self._features(rows, samples))
        x: Tensor = subsampled * self._encoder.input_scale
        order = (rows.n_heard[:, None] - self._n_kept + self._order) % len(self._order)
        unseen = self._order < self._n_kept - rows.n_heard[:, None]
        for at, layer in enumerate(self._encoder.layers):
            x = x + 0.5 * layer.feed_forward1(layer.norm_feed_forward1(x))
            x = x + self._attended(at, rows, layer.norm_self_att(x), order, unseen)
            x = x + self._convolved(at, rows, layer.norm_conv(x))
            x = layer.norm_out(x + 0.5 * layer.feed_forward2(layer.norm_feed_forward2(x)))
        return x

    def _features(self, rows: Rows, samples: Tensor) -> Tensor:
        """Log-mel frames; those before the stream's first are nothing."""
        emphasis = self._extractor.preemphasis
        if emphasis:
            # The window leaves out the very first sample, which has none before it.
            samples = torch.cat((samples[:, :1], samples[:, 1:] - emphasis * samples[:, :-1]), 1)
        mels = (self._power(samples) + _LOG_FLOOR).log()
        mels = _without_first(mels, rows, self._factor - 1, dim=1)
        return mels.to(self._keys.dtype)

    def _subsampled(self, rows: Rows, mels: Tensor) -> Tensor:
        """`[B, F, D]`. Outputs that lie before the stream's beginning are nothing to those that
        follow."""
        subsampling = self._encoder.subsampling
        x = mels[:, None]
        before = self._factor
        for at, edge in enumerate(self._stages):
            layer = subsampling.conv_in if at == 0 else subsampling.layers[at - 1].depthwise_conv
            x = functional.pad(x, layer.freq_pad)
            x = edge.joined(rows, x, dim=2)
            x = functional.conv2d(x, layer.weight, layer.bias, layer.stride, groups=layer.groups)
            if at:
                x = subsampling.layers[at - 1].pointwise_conv(x)
            before //= 2
            x = _without_first(subsampling.act_fn(x), rows, before - 1, dim=2)
        flat: Tensor = subsampling.linear(x.transpose(1, 2).flatten(2))
        return flat

    def _attended(self, at: int, rows: Rows, x: Tensor, order: Tensor, unseen: Tensor) -> Tensor:
        """Attention to the frames that are remembered and to the chunk's own.

        Args:
            order: places in the ring, oldest first, `[B, S]`.
            unseen: those of them that nothing was written to yet.
        """
        attention = self._encoder.layers[at].self_attn
        slots = rows.slots[:, None]
        newest = order[:, self._n_kept :]
        self._keys[at][slots, newest] = attention.k_proj(x)
        self._values[at][slots, newest] = attention.v_proj(x)

        def heads(flat: Tensor) -> Tensor:
            return flat.reshape(*flat.shape[:-1], -1, attention.head_dim).transpose(1, 2)

        query = heads(attention.q_proj(x))
        keys = heads(self._keys[at][slots, order])
        by_content = (query + attention.bias_u[:, None]) @ keys.transpose(-1, -2)
        by_place = (query + attention.bias_v[:, None]) @ self._distances[at]
        by_place = by_place.gather(-1, self._columns.expand(*by_place.shape[:3], -1))
        scores = (by_content + by_place).float() * attention.scaling
        scores = scores.masked_fill(unseen[:, None, None], -math.inf)
        weights = scores.softmax(-1).to(x.dtype)
        mixed = weights @ heads(self._values[at][slots, order])
        out: Tensor = attention.o_proj(mixed.transpose(1, 2).flatten(2))
        return out

    def _convolved(self, at: int, rows: Rows, x: Tensor) -> Tensor:
        module = self._encoder.layers[at].conv
        x = functional.glu(module.pointwise_conv1(x.transpose(1, 2)), dim=1)
        layer = module.depthwise_conv
        x = self._edges[at].joined(rows, x, dim=2)
        x = functional.conv1d(x, layer.weight, layer.bias, groups=layer.groups)
        x = module.activation(module.norm(x.transpose(1, 2)))
        out: Tensor = module.pointwise_conv2(x.transpose(1, 2)).transpose(1, 2)
        return out

    def _subsampling_edges(self, card: Card, n_slots: int) -> list[Edge]:
        subsampling = self._encoder.subsampling
        convolutions = [
            subsampling.conv_in,
            *(layer.depthwise_conv for layer in subsampling.layers),
        ]
        edges = []
        bands = self._encoder.config.num_mel_bins
        for layer in convolutions:
            padded = bands + sum(layer.freq_pad)
            edges.append(Edge(card, n_slots, layer.in_channels, layer.left_pad, padded))
            bands = (padded - layer.kernel_size[1]) // layer.stride[1] + 1
        return edges

    def _relative_keys(self, card: Card) -> list[Tensor]:
        """Of each layer `[H, d, P]`, for distances from the oldest remembered to the newest frame,
        seen from the chunk's last and first."""
        n_keys = self._n_kept + self._n_frames
        distances = torch.arange(n_keys - 1, -self._n_frames, -1, device=card.device)
        positions = self._encoder.encode_positions
        angles = distances[:, None].float() * positions.inv_freq.to(card.device, torch.float)
        waves = torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1).to(card.dtype)
        with torch.no_grad():
            return [
                layer.self_attn.relative_k_proj(waves)
                .unflatten(-1, (-1, layer.self_attn.head_dim))
                .permute(1, 2, 0)
                .contiguous()
                for layer in self._encoder.layers
            ]


def _without_first(x: Tensor, rows: Rows, count: int, dim: int) -> Tensor:
    """Zeros in place of the first along `dim`, for rows that have heard nothing."""
    if not count:
        return x
    places = torch.arange(x.shape[dim], device=x.device) < count
    gone = rows.first[:, None] & places
    shape = [len(x), *[1] * (x.dim() - 1)]
    shape[dim] = x.shape[dim]
    return x.masked_fill(gone.view(shape), 0)
