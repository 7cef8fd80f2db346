"""Subtitle cues: segments cut into pieces that can be read, on the times of their words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from streamer.audio.clock import ms_from_samples
from streamer.protocol.joining import joined
from streamer.transcript.ledger import Segment

MAX_LINE_CHARS: Final = 42
MAX_LINES: Final = 2
MAX_CUE_MS: Final = 7_000
MAX_PAUSE_MS: Final = 1_500
"""A pause this long inside a segment starts a new cue."""


@dataclass(frozen=True, slots=True)
class Cue:
    """Lines shown from `start_ms` until `end_ms`; `emotion` is None where none was heard."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    emotion: str | None


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    start_ms: float
    end_ms: float


class CueTrack:
    """Cues of segments as they become final: none is empty, none overlaps the next, every line
    fits. A cue that was given never changes."""

    def __init__(self) -> None:
        self._end_ms = 0

    def add(self, segment: Segment) -> list[Cue]:
        """The cues of the segment that follows the ones before; none if it has no text."""
        placed: list[Cue] = []
        earliest = self._end_ms
        for cue in sorted(_segment_cues(segment), key=lambda cue: cue.start_ms):
            placed.append(replace(cue, start_ms=max(cue.start_ms, earliest)))
            earliest = placed[-1].start_ms + 1
        # A word may be timed a little beyond its segment, where the next one begins.
        limits = [*(cue.start_ms for cue in placed[1:]), round(ms_from_samples(segment.end_sample))]
        cues = [
            replace(cue, end_ms=max(cue.start_ms + 1, min(cue.end_ms, limit)))
            for cue, limit in zip(placed, limits, strict=False)
        ]
        if cues:
            self._end_ms = cues[-1].end_ms
        return cues


def _segment_cues(segment: Segment) -> Iterator[Cue]:
    emotion = segment.emotion.label if segment.emotion is not None else None
    shown: list[_Piece] = []
    for piece in _pieces(segment):
        if shown and _must_break(shown, piece):
            yield _cue(shown, emotion)
            shown = []
        shown.append(piece)
    if shown:
        yield _cue(shown, emotion)


def _pieces(segment: Segment) -> Iterator[_Piece]:
    """Words, those longer than a line cut into pieces that share their time."""
    for word in segment.words:
        text = "".join(word.text.split())
        start, end = ms_from_samples(word.start_sample), ms_from_samples(word.end_sample)
        n_pieces = -(-len(text) // MAX_LINE_CHARS)
        for i in range(n_pieces):
            part = text[i * MAX_LINE_CHARS : (i + 1) * MAX_LINE_CHARS]
            step = (end - start) / n_pieces
            yield _Piece(part, start + i * step, start + (i + 1) * step)


def _must_break(shown: Sequence[_Piece], piece: _Piece) -> bool:
    return (
        len(_wrap([*shown, piece])) > MAX_LINES
        or piece.end_ms - shown[0].start_ms > MAX_CUE_MS
        or piece.start_ms - shown[-1].end_ms > MAX_PAUSE_MS
    )


def _wrap(pieces: Sequence[_Piece]) -> list[str]:
    lines: list[str] = []
    for piece in pieces:
        longer = joined((lines[-1], piece.text)) if lines else ""
        if lines and len(longer) <= MAX_LINE_CHARS:
            lines[-1] = longer
        else:
            lines.append(piece.text)
    return lines


def _cue(shown: Sequence[_Piece], emotion: str | None) -> Cue:
    end_ms = max(piece.end_ms for piece in shown)
    return Cue(round(shown[0].start_ms), round(end_ms), tuple(_wrap(shown)), emotion)
