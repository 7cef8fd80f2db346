"""Files, folders, standard input and addresses, as they are named on the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from streamer.audio.media.contract import Pipe, RawFormat, RawPipe, Source, Url
from streamer.cli.failures import EXIT_USAGE, fail

_PIPE: Final = "-"
_ADDRESSES: Final = ("http://", "https://")
_ENDINGS: Final = (
    *("aac", "ac3", "aif", "aiff", "amr", "ape", "au", "caf", "flac", "m4a", "m4b", "mka", "mp3"),
    *("oga", "ogg", "opus", "w64", "wav", "wma", "wv"),
    *("3gp", "avi", "flv", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ogv", "ts", "webm"),
    "wmv",
)
"""Of the files in a folder that are taken for recordings. A file that is named may have any."""


@dataclass(frozen=True)
class Heard:
    """Something to hear."""

    source: Source
    name: str
    """As it was given."""
    stem: str
    """Of the files that are made of it."""

    @property
    def may_be_endless(self) -> bool:
        return not isinstance(self.source, Path)


def inputs(
    given: Sequence[str], raw: RawFormat | None = None, rate: int = 16_000, channels: int = 1
) -> list[Heard]:
    """Fails the command if they cannot be what they are said to be.

    Args:
        raw: standard input holds samples of this format, at `rate`, with `channels` interleaved.
    """
    if raw is not None and list(given) != [_PIPE]:
        fail(f"--raw is of standard input: give {_PIPE}, and nothing else", EXIT_USAGE)
    if given.count(_PIPE) > 1:
        fail("standard input can be read once", EXIT_USAGE)
    pipe = Pipe() if raw is None else RawPipe(raw, rate, channels)
    return [heard for one in given for heard in _inputs(one, pipe)]


def _inputs(given: str, pipe: Pipe) -> Iterator[Heard]:
    if given == _PIPE:
        yield Heard(pipe, given, "stdin")
    elif given.startswith(_ADDRESSES):
        address = urlsplit(given)
        yield Heard(Url(given), given, Path(address.path).stem or address.hostname or "stream")
    elif (folder := Path(given)).is_dir():
        paths = sorted(path for path in folder.iterdir() if _is_recording(path))
        if not paths:
            fail(f"{given}: no recordings are in this folder", EXIT_USAGE)
        yield from (Heard(path, str(path), path.stem) for path in paths)
    else:
        path = Path(given)
        yield Heard(path, given, path.stem)


def _is_recording(path: Path) -> bool:
    return path.suffix.removeprefix(".").lower() in _ENDINGS and path.is_file()
