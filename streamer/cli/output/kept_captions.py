"""Captions of an earlier run are somebody's work: they are replaced only by those who say so."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from streamer.cli.failures import EXIT_USAGE, fail
from streamer.transcript.caption_files import caption_paths


def keep_captions(folder: Path, names: Iterable[str], *, overwrite: bool) -> None:
    """End the command, before it has done anything, if it would replace captions in `folder`."""
    if overwrite:
        return
    paths = (path for name in names for path in caption_paths(folder, name))
    # Where one may not look, writing will fail, and say why.
    there = next((path for path in paths if os.path.lexists(path)), None)
    if there is not None:
        fail(f"{there} is there already; --overwrite replaces it", EXIT_USAGE)
