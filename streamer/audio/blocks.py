"""A stream of samples in pieces of one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from streamer.audio.arrays import Floats


def in_blocks(chunks: Iterable[Floats], n_samples: int) -> Iterator[Floats]:
    """Blocks of exactly `n_samples`, or of so many frames; the last may be shorter. A block is
    given as soon as it is full."""
    pending: Floats | None = None
    for chunk in chunks:
        pending = chunk if pending is None else np.concatenate([pending, chunk])
        n_whole = len(pending) // n_samples * n_samples
        for at in range(0, n_whole, n_samples):
            yield pending[at : at + n_samples]
        pending = pending[n_whole:]
    if pending is not None and len(pending):
        yield pending
