"""Windows of sound that end anywhere, and what the decoder is to say of them: lessons that
`benchmarks.research.draft_windows` makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

N_BEST: Final = 8
"""Tokens of which the teacher's opinion is kept at each place."""
IGNORED: Final = -1
"""Marks places that nothing is taught of."""


@dataclass(frozen=True, eq=False)
class Window:
    """One lesson.

    `states [S, 288]`: encoded sound; `tokens [T]`: what the decoder is fed, from BOS on;
    `targets`, `shares [T, N_BEST]`: what should follow each, and how likely; `IGNORED` where
    nothing is taught.
    """

    states: npt.NDArray[np.float16]
    tokens: npt.NDArray[np.int32]
    targets: npt.NDArray[np.int32]
    shares: npt.NDArray[np.float16]
    is_cut: bool


def write_shard(windows: Sequence[Window], path: Path) -> None:
    """Some windows as one file."""
    lengths = [[len(one.states), len(one.tokens), one.is_cut] for one in windows]
    with path.with_suffix(".part").open("wb") as file:
        np.savez(
            file,
            lengths=np.array(lengths, np.int32),
            states=np.concatenate([one.states for one in windows]),
            tokens=np.concatenate([one.tokens for one in windows]),
            targets=np.concatenate([one.targets for one in windows]),
            shares=np.concatenate([one.shares for one in windows]),
        )
    path.with_suffix(".part").rename(path)


def read_shard(path: Path) -> list[Window]:
    """What `write_shard` wrote."""
    with np.load(path) as file:
        held = {name: file[name] for name in file.files}
    windows, frame, token = [], 0, 0
    for n_frames, n_tokens, is_cut in held["lengths"].tolist():
        fed = slice(token, token + n_tokens)
        windows.append(
            Window(
                held["states"][frame : frame + n_frames],
                held["tokens"][fed],
                held["targets"][fed],
                held["shares"][fed],
                bool(is_cut),
            )
        )
        frame, token = frame + n_frames, token + n_tokens
    return windows
