"""Power in bands of frequency, by matrix products: of fixed shapes, the same on every device."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from streamer.models.card.device import Card


class BandPower:
    """Windows of the samples, one each `hop` samples, and what bands of frequency hold of them."""

    def __init__(self, card: Card, window: Any, filters: Any, *, n_fft: int, hop: int) -> None:
        """
        Args:
            window: `[W]`, W at most `n_fft`; it lies in the middle of that.
            filters: `[bands, n_fft / 2 + 1]`.
        """
        angles = 2 * np.pi * np.outer(np.arange(n_fft), np.arange(n_fft // 2 + 1)) / n_fft
        left = (n_fft - len(window)) // 2
        shape = np.zeros(n_fft)
        shape[left : left + len(window)] = window
        waves = np.concatenate((np.cos(angles), np.sin(angles)), axis=1) * shape[:, None]
        # Half precision would lose what is faint beside what is loud.
        self._waves = card.place(waves, torch.float32)
        self._filters = card.place(np.transpose(np.asarray(filters)), torch.float32)
        self._n_fft, self._hop = n_fft, hop

    def __call__(self, samples: Tensor) -> Tensor:
        """`[B, F, bands]` of `samples [B, N]`, F = (N - n_fft) // hop + 1."""
        real, imaginary = (samples.unfold(1, self._n_fft, self._hop) @ self._waves).chunk(2, dim=-1)
        return (real.square() + imaginary.square()) @ self._filters
