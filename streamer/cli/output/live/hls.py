"""WebVTT segments and their playlist, for HTTP Live Streaming (RFC 8216, 3.5 and 4.3).

Every segment covers `SEGMENT_S` of the session, text or not, and holds all cues that are shown in
it. It is written when nothing can be said any more that belongs into it. The playlist is an
event's: it only grows, and whoever reads it finds a whole one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from streamer.transcript.cues import Cue, CueTrack
from streamer.transcript.emotion_shown import EmotionShown
from streamer.transcript.formats import vtt_cue
from streamer.transcript.ledger import Segment

PLAYLIST: Final = "captions.m3u8"
SEGMENT_S: Final = 6
_LONGEST_WAIT_MS: Final = 12_000
"""Who speaks without a pause for so long is heard late: what was not known is shown later."""
_SHORTEST_MS: Final = 1_000
"""What is left of a cue that comes too late."""


class HlsCaptions:
    """Writes into a folder. Segments of earlier runs stay there, their playlist is replaced."""

    def __init__(
        self, folder: Path, shown: EmotionShown, now_s: Callable[[], float] = time.time
    ) -> None:
        """
        Args:
            shown: of the voice.
            now_s: the wall clock; the session begins now.

        Raises:
            OSError: it cannot be written.
        """
        self._folder = folder
        self._begun = datetime.fromtimestamp(now_s(), UTC)
        self._shown = shown
        self._track = CueTrack(tagged=shown in (EmotionShown.SUBTLE, EmotionShown.VOICE))
        self._cues: list[Cue] = []
        """Those that a segment to come may show."""
        self._entries: list[str] = []
        self._until_ms = 0
        """All before is in the playlist."""
        folder.mkdir(parents=True, exist_ok=True)
        self._write_playlist(ended=False)

    def take(self, piece: Segment) -> None:
        """The text that follows what was given before."""
        for cue in self._track.add(piece):
            late = cue.end_ms <= self._until_ms
            start, end = self._until_ms, self._until_ms + _SHORTEST_MS
            self._cues.append(Cue(start, end, cue.pieces, cue.emotion) if late else cue)

    def reached(self, known_ms: float, heard_ms: float) -> None:
        """
        Args:
            known_ms: no text before is to come.
            heard_ms: of the session.

        Raises:
            OSError
        """
        sure_ms = max(known_ms, heard_ms - _LONGEST_WAIT_MS)
        n_before = len(self._entries)
        while self._until_ms + 1000 * SEGMENT_S <= sure_ms:
            self._write_segment(self._until_ms + 1000 * SEGMENT_S)
        if len(self._entries) > n_before:
            self._write_playlist(ended=False)

    def end(self, heard_ms: float) -> None:
        """The session is over.

        Raises:
            OSError
        """
        last_ms = max([round(heard_ms), *(cue.end_ms for cue in self._cues)])
        while self._until_ms < last_ms:
            self._write_segment(min(self._until_ms + 1000 * SEGMENT_S, last_ms))
        self._write_playlist(ended=True)

    def _write_segment(self, until_ms: int) -> None:
        start_ms = self._until_ms
        name = f"captions-{self._begun:%Y%m%dT%H%M%S}-{len(self._entries):05d}.vtt"
        shown = [cue for cue in self._cues if cue.start_ms < until_ms]
        # Session time 0 is the presentation timestamp 0.
        head = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n\n"
        text = head + "".join(vtt_cue(cue, self._shown) for cue in shown)
        (self._folder / name).write_text(text, encoding="utf-8", newline="\n")
        moment = self._begun + timedelta(milliseconds=start_ms)
        self._entries.append(
            f"#EXT-X-PROGRAM-DATE-TIME:{moment.isoformat(timespec='milliseconds')}\n"
            f"#EXTINF:{(until_ms - start_ms) / 1000:.3f},\n{name}\n"
        )
        self._until_ms = until_ms
        self._cues = [cue for cue in self._cues if cue.end_ms > until_ms]

    def _write_playlist(self, *, ended: bool) -> None:
        head = (
            f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{SEGMENT_S}\n"
            "#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:EVENT\n"
        )
        text = head + "".join(self._entries) + ("#EXT-X-ENDLIST\n" if ended else "")
        new = self._folder / f"{PLAYLIST}.new"
        new.write_text(text, encoding="utf-8", newline="\n")
        os.replace(new, self._folder / PLAYLIST)
