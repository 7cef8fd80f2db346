"""WebVTT segments for HTTP Live Streaming (RFC 8216, 3.5).

Every segment covers `SEGMENT_S` of the session, text or not, and holds all cues that are shown in
it. It is written when nothing can be said any more that belongs into it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from streamer.cli.output.live.playlist import Playlist, PlaylistSegment
from streamer.transcript.cues import Cue, CueTrack
from streamer.transcript.emotion_shown import EmotionShown
from streamer.transcript.formats import vtt_cue
from streamer.transcript.ledger import Segment
from streamer.transcript.sides import NOBODY, Names

SEGMENT_S: Final = 6
_LONGEST_WAIT_MS: Final = 12_000
"""Who speaks without a pause for so long is heard late: what was not known is shown later."""
_SHORTEST_MS: Final = 1_000
"""What is left of a cue that comes too late."""


class HlsCaptions:
    """Writes into a folder. Segments of earlier runs stay there, their playlist is replaced."""

    def __init__(
        self,
        folder: Path,
        shown: EmotionShown,
        names: Names = NOBODY,
        now_s: Callable[[], float] = time.time,
        *,
        window: int | None = None,
    ) -> None:
        """
        Args:
            shown: of the voice.
            names: of those who speak.
            now_s: the wall clock; the session begins now.
            window: the newest segments that stay in the playlist; None: all.

        Raises:
            OSError: it cannot be written.
            ValueError: the window is smaller than `MIN_WINDOW`.
        """
        self._folder = folder
        self._begun = datetime.fromtimestamp(now_s(), UTC)
        self._shown = shown
        tagged = shown in (EmotionShown.SUBTLE, EmotionShown.VOICE)
        self._names = names
        self._tracks = [CueTrack(tagged=tagged) for _ in range(max(1, len(names.sides)))]
        self._cues: list[Cue] = []
        """Those that a segment to come may show."""
        self._playlist = Playlist(folder, SEGMENT_S, window)
        self._until_ms = 0
        """All before is in segments."""
        folder.mkdir(parents=True, exist_ok=True)
        self._playlist.write(ended=False)

    def take(self, piece: Segment) -> None:
        """The text that follows what was given before."""
        for cue in self._tracks[piece.channel].add(piece):
            late = cue.end_ms <= self._until_ms
            start, end = self._until_ms, self._until_ms + _SHORTEST_MS
            self._cues.append(replace(cue, start_ms=start, end_ms=end) if late else cue)

    def reached(self, known_ms: float, heard_ms: float) -> None:
        """
        Args:
            known_ms: no text before is to come.
            heard_ms: of the session.

        Raises:
            OSError
        """
        sure_ms = max(known_ms, heard_ms - _LONGEST_WAIT_MS)
        n_before = self._playlist.n_added
        while self._until_ms + 1000 * SEGMENT_S <= sure_ms:
            self._write_segment(self._until_ms + 1000 * SEGMENT_S)
        if self._playlist.n_added > n_before:
            self._playlist.write(ended=False)

    def end(self, heard_ms: float) -> None:
        """The session is over.

        Raises:
            OSError
        """
        last_ms = max([round(heard_ms), *(cue.end_ms for cue in self._cues)])
        while self._until_ms < last_ms:
            self._write_segment(min(self._until_ms + 1000 * SEGMENT_S, last_ms))
        self._playlist.write(ended=True)

    def _write_segment(self, until_ms: int) -> None:
        start_ms = self._until_ms
        name = f"captions-{self._begun:%Y%m%dT%H%M%S}-{self._playlist.n_added:05d}.vtt"
        shown = [cue for cue in self._cues if cue.start_ms < until_ms]
        shown.sort(key=lambda cue: cue.start_ms)
        # Session time 0 is the presentation timestamp 0.
        head = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n\n"
        text = head + "".join(vtt_cue(cue, self._shown, self._names) for cue in shown)
        (self._folder / name).write_text(text, encoding="utf-8", newline="\n")
        moment = self._begun + timedelta(milliseconds=start_ms)
        self._playlist.add(PlaylistSegment(name, moment, until_ms - start_ms))
        self._until_ms = until_ms
        self._cues = [cue for cue in self._cues if cue.end_ms > until_ms]
