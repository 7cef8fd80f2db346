"""Captions written into a folder while they come: each final segment at once, in all formats."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, TextIO

from streamer.transcript.emotion_shown import EmotionShown
from streamer.transcript.events import SoundHeard
from streamer.transcript.formats import CaptionFormat, CaptionWriter, caption_writer
from streamer.transcript.ledger import Segment
from streamer.transcript.sides import NOBODY, Names

_BUFFER_BYTES: Final = 1 << 20
"""More than a segment: each reaches its file in one write, so a crash leaves whole segments."""


def caption_paths(folder: Path, name: str) -> tuple[Path, ...]:
    """Where `CaptionFiles` writes."""
    return tuple(folder / f"{name}.{wanted}" for wanted in CaptionFormat)


class CaptionFiles:
    """`NAME.srt`, `.vtt`, `.jsonl` and `.txt`, valid after every segment. A context manager."""

    def __init__(
        self,
        folder: Path,
        name: str,
        shown: EmotionShown = EmotionShown.SUBTLE,
        names: Names = NOBODY,
    ) -> None:
        """Makes the folder if need be; files of that name are begun anew.

        Args:
            shown: of the voice, in subtitles.
            names: of those who speak.

        Raises:
            OSError: they cannot be written.
        """
        self.paths = caption_paths(folder, name)
        self._files: list[tuple[TextIO, CaptionWriter]] = []
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as opened:
            for wanted, path in zip(CaptionFormat, self.paths, strict=True):
                file = opened.enter_context(
                    path.open("w", _BUFFER_BYTES, encoding="utf-8", newline="\n")
                )
                writer = caption_writer(wanted, shown, names)
                self._files.append((file, writer))
                file.write(writer.head)
                file.flush()
            self._opened = opened.pop_all()

    def add(self, segment: Segment, open_from: int | None = None) -> None:
        """`open_from`: see `CaptionWriter`.

        Raises:
            OSError: the disk is full, or has gone.
        """
        self._write(lambda writer: writer.add(segment, open_from))

    def add_sound(self, sound: SoundHeard, open_from: int | None = None) -> None:
        """As `add`, when it begins and when it has ended."""
        self._write(lambda writer: writer.add_sound(sound, open_from))

    def _write(self, text: Callable[[CaptionWriter], str]) -> None:
        for file, writer in self._files:
            file.write(text(writer))
            file.flush()

    def __enter__(self) -> CaptionFiles:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # `add` has written everything, or has told why it could not; what waited for a segment
        # that was never ended comes now.
        with suppress(OSError):
            for file, writer in self._files:
                file.write(writer.end())
            self._opened.close()
