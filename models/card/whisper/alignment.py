"""Which of the encoder's positions each token attends to, in order: dynamic time warping."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamer.audio.arrays import Floats

_DIAGONAL, _UP, _LEFT = 0, 1, 2


def first_positions(weights: Floats) -> npt.NDArray[np.int64]:
    """Where each token begins `[T]`, on the way through `weights [T, P]` that gathers most and
    goes back nowhere; an antidiagonal at a time."""
    n_tokens, n_positions = weights.shape
    cost = np.full((n_tokens + 1, n_positions + 1), np.inf, np.float32)
    cost[0, 0] = 0
    moves = np.zeros((n_tokens + 1, n_positions + 1), np.int8)
    moves[0, :], moves[:, 0] = _LEFT, _UP
    for diagonal in range(2, n_tokens + n_positions + 1):
        first = max(1, diagonal - n_positions)
        i = np.arange(first, min(n_tokens, diagonal - 1) + 1)
        j = diagonal - i
        both, up, left = cost[i - 1, j - 1], cost[i - 1, j], cost[i, j - 1]
        move = np.where((up < both) & (up < left), _UP, _LEFT)
        move = np.where((both < up) & (both < left), _DIAGONAL, move)
        cost[i, j] = np.choose(move, (both, up, left)) - weights[i - 1, j - 1]
        moves[i, j] = move
    begins = np.zeros(n_tokens, np.int64)
    i, j = n_tokens, n_positions
    while i > 0 or j > 0:
        if i > 0:
            begins[i - 1] = max(0, j - 1)
        move = moves[i, j]
        i, j = i - (move != _LEFT), j - (move != _UP)
    return begins
