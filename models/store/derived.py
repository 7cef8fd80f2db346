"""Folders that are built from a model: what is in them, and whether it is still that."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamer.models.store.checksum import sha256_of

_CONTENTS: Final = "contents.json"


@dataclass(frozen=True, slots=True)
class _File:
    size: int
    mtime_ns: int
    sha256: str


def seal(folder: Path) -> None:
    """Write down what is in the folder: it is complete."""
    contents = {
        item.name: {
            "size": item.stat().st_size,
            "mtime_ns": item.stat().st_mtime_ns,
            "sha256": sha256_of([item]),
        }
        for item in sorted(folder.iterdir())
    }
    (folder / _CONTENTS).write_text(json.dumps(contents, indent=1), encoding="utf-8")


def is_sealed(folder: Path) -> bool:
    return _contents(folder) is not None


def damage(folder: Path, *, thorough: bool = False) -> str | None:
    """The first file of a sealed folder that is missing or not what it was; None if all are.

    A file whose size and time are those that were written down is believed, unless `thorough`;
    any other is hashed. Nothing is written, so that a folder may be read-only.
    """
    contents = _contents(folder)
    if contents is None:
        return _CONTENTS
    for name, known in contents.items():
        try:
            status = (folder / name).stat()
            if status.st_size != known.size:
                return name
            untouched = status.st_mtime_ns == known.mtime_ns and not thorough
            if not untouched and sha256_of([folder / name]) != known.sha256:
                return name
        except OSError:
            return name
    return None


def _contents(folder: Path) -> dict[str, _File] | None:
    try:
        raw = json.loads((folder / _CONTENTS).read_text(encoding="utf-8"))
        return {name: _File(**known) for name, known in raw.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None
