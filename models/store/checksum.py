"""File checksums, and a store that remembers which files have passed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_BLOCK_BYTES: Final = 1 << 20


def blocks(path: Path) -> Iterator[bytes]:
    """The file's bytes, a megabyte at a time."""
    with path.open("rb") as source:
        while block := source.read(_BLOCK_BYTES):
            yield block


def sha256_of(paths: Iterable[Path]) -> str:
    """SHA-256, as hexadecimal text, of the files' bytes one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        for block in blocks(path):
            digest.update(block)
    return digest.hexdigest()


class StampStore:
    """Remembers size and modification time of verified files, so that they are hashed once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, path: Path, sha256: str) -> bool:
        """Whether the file passed with this checksum and has not been touched since."""
        try:
            known = json.loads(self._stamp_path(path).read_text())
        except (OSError, ValueError):
            return False
        return bool(known == _stamp(path, sha256))

    def add(self, path: Path, sha256: str) -> None:
        """Remember that the file has passed.

        Without a writable folder nothing is remembered: starts are slower, never wrong.
        """
        stamp_path = self._stamp_path(path)
        with contextlib.suppress(OSError):
            stamp_path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=stamp_path.parent)
            with os.fdopen(handle, "w") as out:
                json.dump(_stamp(path, sha256), out)
            os.replace(temporary, stamp_path)

    def _stamp_path(self, path: Path) -> Path:
        name = hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:32]
        return self._folder / f"{name}.json"


def _stamp(path: Path, sha256: str) -> dict[str, str | int]:
    status = path.stat()
    return {
        "path": str(path.absolute()),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "sha256": sha256,
    }
