"""Where captions go to while somebody speaks, as `--to` names it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol
from urllib.parse import urlsplit

from streamer.cli.failures import EXIT_USAGE, fail
from streamer.cli.output.live.hls import SEGMENT_S, HlsCaptions
from streamer.cli.output.live.pieces import Pieces
from streamer.cli.output.live.zoom import ZoomCaptions
from streamer.transcript.emotion_shown import EmotionShown
from streamer.transcript.events import SessionEvent
from streamer.transcript.ledger import Segment
from streamer.transcript.sides import NOBODY, Names


class LiveOutput(Protocol):
    """One of them."""

    def take(self, piece: Segment) -> None:
        """The text that follows what was given before."""


def live_outputs(
    places: Iterable[str],
    language: str,
    shown: EmotionShown,
    names: Names = NOBODY,
    *,
    hls_minutes: int,
) -> LiveOutputs:
    """Those that `--to` names; ends the command if there is one that cannot be.

    Args:
        language: of the captions: a code.
        shown: of the voice, in streams.
        names: of those who speak.
        hls_minutes: of a stream that are kept; 0: all.
    """
    window = 60 * hls_minutes // SEGMENT_S or None
    hls, zoom = [], []
    for place in places:
        kind, _, where = place.partition(":")
        if kind == "zoom":
            parts = urlsplit(where)
            if parts.scheme not in ("https", "http") or not parts.netloc or not parts.query:
                fail("--to: behind zoom: stands the whole address that Zoom gives", EXIT_USAGE)
            zoom.append(where)
        elif kind == "hls" and where:
            hls.append(Path(where))
        else:
            fail(f"--to: {place!r:.40} is neither hls:FOLDER nor zoom:URL", EXIT_USAGE)
    try:
        folders = [HlsCaptions(folder, shown, names, window=window) for folder in hls]
    except OSError as error:
        fail(f"--to: the captions cannot be written: {error.strerror}")
    zooms = [ZoomCaptions(url, language, names) for url in zoom]
    return LiveOutputs(folders, zooms, max(1, len(names.sides)))


class LiveOutputs:
    """Gives a session's captions to all targets, in pieces of a sentence or so. What goes wrong
    keeps nobody from speaking: it is in `problems`. A context manager."""

    def __init__(
        self, hls: Sequence[HlsCaptions], zoom: Sequence[ZoomCaptions], channels: int = 1
    ) -> None:
        self._channels = [Pieces(channel) for channel in range(channels)]
        self._hls = list(hls)
        self._zoom = zoom
        self._failed: list[str] = []

    @property
    def problems(self) -> list[str]:
        """Those there are now, a line each."""
        told = [f"--to zoom: {each.problem}" for each in self._zoom if each.problem is not None]
        return [*self._failed, *told]

    def on_event(self, event: SessionEvent) -> None:
        for pieces in self._channels:
            self._give(pieces.on_event(event))
        self._write(ended=False)

    def __enter__(self) -> LiveOutputs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for pieces in self._channels:
            self._give(pieces.end())
        self._write(ended=True)
        for zoom in self._zoom:
            zoom.end()

    def _give(self, pieces: Iterable[Segment]) -> None:
        for piece in pieces:
            outputs: Iterable[LiveOutput] = (*self._hls, *self._zoom)
            for output in outputs:
                output.take(piece)

    def _write(self, *, ended: bool) -> None:
        heard_ms = max(pieces.heard_ms for pieces in self._channels)
        known_ms = min(pieces.known_ms for pieces in self._channels)
        for hls in [*self._hls]:
            try:
                if ended:
                    hls.end(heard_ms)
                else:
                    hls.reached(known_ms, heard_ms)
            except OSError as error:
                self._hls.remove(hls)
                self._failed.append(f"--to hls: the captions cannot be written: {error.strerror}")
