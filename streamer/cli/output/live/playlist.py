"""The playlist of an HTTP Live Stream (RFC 8216, 4.3 and 6.2), and the end of its segments."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

PLAYLIST: Final = "captions.m3u8"
MIN_WINDOW: Final = 3
"""Segments: fewer than three target durations of them may not be left in a stream that goes on."""


@dataclass(frozen=True, slots=True)
class PlaylistSegment:
    """A file, and what of the session it covers."""

    name: str
    moment: datetime
    duration_ms: int


class Playlist:
    """With a window it lists the newest segments alone, else all. Whoever reads it finds a whole
    one."""

    def __init__(self, folder: Path, target_s: int, window: int | None) -> None:
        """
        Args:
            target_s: no segment is longer.
            window: segments that are listed; files of older ones are deleted, once no player can
                still ask for them. None: all are kept.

        Raises:
            ValueError: the window is smaller than `MIN_WINDOW`.
        """
        if window is not None and window < MIN_WINDOW:
            raise ValueError(f"the window must be {MIN_WINDOW} segments or more")
        self._folder = folder
        self._target_s = target_s
        self._window = window
        self._listed: deque[PlaylistSegment] = deque()
        self._retired: deque[PlaylistSegment] = deque()
        """Not listed any more, oldest first."""
        self._n_added = 0

    @property
    def n_added(self) -> int:
        """Segments so far."""
        return self._n_added

    def add(self, segment: PlaylistSegment) -> None:
        """Its file is there. It is listed from the next `write` on."""
        self._listed.append(segment)
        self._n_added += 1
        if self._window is not None and len(self._listed) > self._window:
            self._retired.append(self._listed.popleft())

    def write(self, *, ended: bool) -> None:
        """
        Raises:
            OSError
        """
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:3",
            f"#EXT-X-TARGETDURATION:{self._target_s}",
            f"#EXT-X-MEDIA-SEQUENCE:{self._n_added - len(self._listed)}",
        ]
        if self._window is None:
            lines.append("#EXT-X-PLAYLIST-TYPE:EVENT")
        for segment in self._listed:
            moment = segment.moment.isoformat(timespec="milliseconds")
            lines += [
                f"#EXT-X-PROGRAM-DATE-TIME:{moment}",
                f"#EXTINF:{segment.duration_ms / 1000:.3f},",
                segment.name,
            ]
        if ended:
            lines.append("#EXT-X-ENDLIST")
        new = self._folder / f"{PLAYLIST}.new"
        new.write_text("\n".join([*lines, ""]), encoding="utf-8", newline="\n")
        os.replace(new, self._folder / PLAYLIST)
        self._delete(ended=ended)

    def _delete(self, *, ended: bool) -> None:
        """A player may have read the playlist just before a segment left it, and plays all that was
        in it: the file has to stay for as long as that lasts, and the segment itself (6.2.2). When
        the stream has ended, nobody would come to delete what is not listed."""
        kept = 0 if ended or self._window is None else self._window + 1
        while len(self._retired) > kept:
            (self._folder / self._retired.popleft().name).unlink(missing_ok=True)
