"""The emotion network: raw 16 kHz samples in, scores of the named classes out.

    samples [B, N] -> unit loudness, low-pass -> SpeechEncoder -> learned mix of its layers
    -> attentive statistics pooling -> logits [B, C]

`SpeechEncoder` has the shape of Moonshine tiny's encoder ("Moonshine: Speech Recognition for
Live Transcription and Voice Commands", Jeffries et al., 2024), so that it can start from those
weights. Pooling follows "Attentive Statistics Pooling for Deep Speaker Embedding" (Okabe et al.,
2018). The graph holds every step, the runtime needs no signal processing of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from streamer.audio.clock import SAMPLE_RATE

_ROTARY_BASE = 10_000.0


@dataclass(frozen=True)
class EmotionNetConfig:
    """Sizes of the network; the defaults are those of the shipped weights."""

    n_classes: int = 6
    width: int = 288
    """Channels of the encoder; 288 is Moonshine tiny's."""
    n_heads: int = 8
    n_layers: int = 4
    """Transformer layers; the upper ones of an ASR encoder keep words and lose the voice."""
    rotary_dim: int = 32
    """How much of a head's width carries position, even."""
    pool_width: int = 160
    dropout: float = 0.2
    low_pass_hz: float = 5_000.0
    """CREMA-D's copy holds nothing above 5.5 kHz; what lies above must not be a cue."""
    low_pass_taps: int = 65
    target_rms: float = 0.06
    """Every window is brought to this loudness, so that the microphone's gain is no cue."""


def n_frames(n_samples: int) -> int:
    """How many frames the encoder's three convolutions give."""
    after_1 = (n_samples - 127) // 64 + 1
    after_2 = (after_1 - 7) // 3 + 1
    return (after_2 - 3) // 2 + 1


class FrontEnd(nn.Module):
    """Removes the mean, low-passes and brings each window to the same loudness. [B,N] -> [B,N]"""

    def __init__(self, config: EmotionNetConfig) -> None:
        super().__init__()
        self._target = config.target_rms
        taps = config.low_pass_taps
        at = torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2
        cut = 2 * config.low_pass_hz / SAMPLE_RATE
        kernel = torch.sinc(cut * at) * torch.hamming_window(taps, False, dtype=torch.float64)
        self.register_buffer("kernel", (kernel / kernel.sum()).float().view(1, 1, -1))

    def forward(self, samples: Tensor) -> Tensor:
        centred = samples - samples.mean(dim=-1, keepdim=True)
        kernel = self.get_buffer("kernel")
        low = functional.conv1d(centred.unsqueeze(1), kernel, padding=kernel.shape[-1] // 2)
        low = low.squeeze(1)
        rms = low.square().mean(dim=-1, keepdim=True).sqrt()
        return low * (self._target / (rms + 1e-5))


class EncoderLayer(nn.Module):
    """Pre-norm attention with partly rotary heads, then a GELU feed-forward. [B,T,D] -> same"""

    def __init__(self, width: int, n_heads: int, rotary_dim: int, dropout: float) -> None:
        super().__init__()
        self._heads, self._rotary, self._dropout = n_heads, rotary_dim, dropout
        self._scale = (width // n_heads) ** -0.5
        self.norm_attn = nn.LayerNorm(width, bias=False)
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, width, bias=False)
        self.v = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm_mlp = nn.LayerNorm(width, bias=False)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = self.norm_attn(states)
        query, key = (self._rotate(self._split(p(x)), cos, sin) for p in (self.q, self.k))
        scores = query @ key.transpose(-1, -2) * self._scale
        mixed = scores.softmax(dim=-1) @ self._split(self.v(x))
        states = states + self._drop(self.out(mixed.transpose(1, 2).flatten(2)))
        x = functional.gelu(self.up(self.norm_mlp(states)))
        return states + self._drop(self.down(x))

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self._dropout, self.training)

    def _split(self, x: Tensor) -> Tensor:
        batch, frames, width = x.shape
        return x.reshape(batch, frames, self._heads, width // self._heads).transpose(1, 2)

    def _rotate(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Turns neighbouring pairs of the first `rotary_dim` channels. x [B,H,T,d]"""
        turned, rest = x[..., : self._rotary], x[..., self._rotary :]
        even, odd = turned[..., 0::2], turned[..., 1::2]
        both = torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1)
        return torch.cat((both.flatten(-2).to(x.dtype), rest), dim=-1)


class SpeechEncoder(nn.Module):
    """Moonshine's encoder without its final norm: samples [B,N] -> states of each layer.

    `stem` gives frames [B, T, D], T about 41.7 a second; `forward` takes them on.
    """

    def __init__(self, config: EmotionNetConfig) -> None:
        super().__init__()
        width = config.width
        self._rotary_dim = config.rotary_dim
        self.conv1 = nn.Conv1d(1, width, 127, stride=64, bias=False)
        self.norm1 = nn.GroupNorm(1, width, eps=1e-5)
        self.conv2 = nn.Conv1d(width, 2 * width, 7, stride=3)
        self.conv3 = nn.Conv1d(2 * width, width, 3, stride=2)
        self.layers = nn.ModuleList(
            EncoderLayer(width, config.n_heads, config.rotary_dim, config.dropout / 2)
            for _ in range(config.n_layers)
        )

    def stem(self, samples: Tensor) -> Tensor:
        x = self.norm1(torch.tanh(self.conv1(samples.unsqueeze(1))))
        x = functional.gelu(self.conv3(functional.gelu(self.conv2(x))))
        return x.transpose(1, 2)

    def forward(self, frames: Tensor) -> list[Tensor]:
        half = self._rotary_dim // 2
        steps = torch.arange(half, device=frames.device, dtype=torch.float32) / half
        position = torch.arange(frames.shape[1], device=frames.device, dtype=torch.float32)
        angle = position.unsqueeze(1) * torch.pow(_ROTARY_BASE, -steps).unsqueeze(0)
        cos, sin = angle.cos(), angle.sin()
        states = [frames]
        for layer in self.layers:
            states.append(layer(states[-1], cos, sin))
        return states


class AttentiveStatistics(nn.Module):
    """Weighted mean and deviation over time. [B,T,D] -> [B,2D]"""

    def __init__(self, width: int, hidden: int = 64) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.score(x).softmax(dim=1)
        mean = (weight * x).sum(dim=1)
        spread = (weight * (x - mean.unsqueeze(1)).square()).sum(dim=1)
        return torch.cat((mean, (spread + 1e-4).sqrt()), dim=-1)


class EmotionNet(nn.Module):
    """Raw samples [B, N] in [-1, 1] at 16 kHz -> logits [B, C]."""

    def __init__(self, config: EmotionNetConfig) -> None:
        super().__init__()
        self.config = config
        self.front = FrontEnd(config)
        self.encoder = SpeechEncoder(config)
        self.mix = nn.Parameter(torch.zeros(config.n_layers + 1))
        self.norms = nn.ModuleList(nn.LayerNorm(config.width) for _ in range(config.n_layers + 1))
        self.narrow = nn.Linear(config.width, config.pool_width)
        self.pool = AttentiveStatistics(config.pool_width)
        self.head = nn.Sequential(
            nn.LayerNorm(2 * config.pool_width),
            nn.Dropout(2 * config.dropout),
            nn.Linear(2 * config.pool_width, config.pool_width),
            nn.GELU(),
            nn.Dropout(2 * config.dropout),
            nn.Linear(config.pool_width, config.n_classes),
        )

    def forward(self, samples: Tensor, keep: Tensor | None = None) -> Tensor:
        """Logits; `keep` [B, T] of 0 and 1 blanks frames after the stem in training."""
        return self.classify(self.frames(samples, keep))

    def frames(self, samples: Tensor, keep: Tensor | None = None) -> Tensor:
        """States before the pooling. [B, N] -> [B, T, pool_width]"""
        frames = self.encoder.stem(self.front(samples))
        if keep is not None:
            frames = frames * keep.unsqueeze(-1).to(frames.dtype)
        share = self.mix.softmax(dim=0)
        states = self.encoder(frames)
        mixed = torch.zeros_like(states[0])
        for index, norm in enumerate(self.norms):
            mixed = mixed + share[index] * norm(states[index])
        narrow: Tensor = functional.gelu(self.narrow(mixed))
        return narrow

    def classify(self, frames: Tensor) -> Tensor:
        """[B, T, pool_width] -> logits [B, C]"""
        logits: Tensor = self.head(self.pool(frames))
        return logits
