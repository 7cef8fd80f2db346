"""Subtitle cues: segments cut into pieces that can be read, on the times of their words.

The figures are those of two published guides:

- Netflix, Timed Text Style Guide: at most 2 lines of 42 characters, 17 characters a second (English
  template), at most 7 s, two frames (80 ms at 25 a second) between cues; text that fits one line
  stays on one. Its shortest cue lasts 5/6 s; ours lasts 1 s.
- BBC, Subtitle Guidelines: a cue should be one sentence or a phrase of it (3.2, 3.9); a gap under
  1 s is jerky and better filled with text (4.5); a cue stays at most 1.5 s after speech (5.2).

Within the bounds on lines and length the cheapest cut of a whole segment is taken: sums of what
its breaks cost (`phrases`), and of what each cue lacks. `clients/web/captions/cues.js` cuts alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Final

from streamer.audio.clock import ms_from_samples
from streamer.protocol.joining import joined
from streamer.transcript.emotion_shown import is_sure
from streamer.transcript.events import SoundHeard
from streamer.transcript.ledger import Segment
from streamer.transcript.phrases import break_cost, ends_sentence

MAX_LINE_CHARS: Final = 42
MAX_LINES: Final = 2
MAX_CHARS_PER_S: Final = 17
MIN_CUE_MS: Final = 1_000
MAX_CUE_MS: Final = 7_000
MIN_GAP_MS: Final = 80
JERKY_GAP_MS: Final = 1_000
"""A gap shorter than this is filled by the cue before it."""
MAX_HOLD_MS: Final = 1_500
"""A cue stays at most this long after its words; such a pause starts a new cue, too."""
SOUND_MS: Final = 3_000
"""A sound that is no speech is told for so long, where it begins."""
MAX_TAIL_MS: Final = 400
"""A cue that needs time may outlast its segment by this. What follows is not known yet and may
come that much late; by default, silence of 480 ms is sure to follow a segment that ends in one."""

_CUE_COST: Final = 3
_INNER_SENTENCE_COST: Final = 4
_ORPHAN_CUE_COST: Final = 12
_ORPHAN_LINE_COST: Final = 6
_SHORT_COST: Final = 10
_FAST_COST: Final = 20


@dataclass(frozen=True, slots=True)
class Piece:
    """A word of a cue, or a part of one that is longer than a line."""

    text: str
    start_ms: float
    end_ms: float
    loudness_db: float | None = None


@dataclass(frozen=True, slots=True)
class Cue:
    """Lines shown from `start_ms` until `end_ms`; `emotion` is None where none was heard."""

    start_ms: int
    end_ms: int
    pieces: tuple[tuple[Piece, ...], ...]
    """Line by line."""
    emotion: str | None
    channel: int = 0
    speaker: int | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(joined(piece.text for piece in line) for line in self.pieces)


class CueTrack:
    """Cues of a channel's segments as they become final: none is empty, none overlaps the next,
    every line fits. A cue that was given never changes."""

    def __init__(self, *, tagged: bool = False) -> None:
        """
        Args:
            tagged: a segment that surely is emotional begins with its emotion, "(angry)".
        """
        self._tagged = tagged
        self._earliest_ms = 0

    def add(self, segment: Segment) -> list[Cue]:
        """The cues of the segment that follows the ones before; none if it has no text."""
        segment_end = ms_from_samples(segment.end_sample)
        emotion = segment.emotion.label if segment.emotion is not None else None
        pieces = list(_pieces(segment))
        if self._tagged and emotion is not None and is_sure(emotion):
            pieces = _with_tag(f"({emotion})", pieces)
        cut = _Cut(pieces, segment_end + MAX_TAIL_MS)
        ranges = list(pairwise(cut.best()))
        starts: list[int] = []
        for first, _ in ranges:
            starts.append(max(round(pieces[first].start_ms), self._earliest_ms))
            self._earliest_ms = starts[-1] + 1
        cues = []
        for at, (first, last) in enumerate(ranges):
            start = starts[at]
            # A word may be timed a little beyond its segment, where the next one begins.
            spoken = min(max(piece.end_ms for piece in pieces[first:last]), segment_end)
            needed = max(MIN_CUE_MS, cut.n_chars(first, last) * 1000 / MAX_CHARS_PER_S)
            end = max(spoken, start + needed)
            if at + 1 == len(starts):
                end = min(max(end, segment_end), segment_end + MAX_TAIL_MS)
            elif starts[at + 1] - end < JERKY_GAP_MS:
                end = starts[at + 1] - MIN_GAP_MS
            end = min(end, max(spoken, start) + MAX_HOLD_MS, start + MAX_CUE_MS)
            lines = cut.lines(first, last)
            shown_until = max(start + 1, round(end))
            cues.append(Cue(start, shown_until, lines, emotion, segment.channel, segment.speaker))
        if cues:
            self._earliest_ms = cues[-1].end_ms + MIN_GAP_MS
        return cues


def sound_cue(sound: SoundHeard, earliest_ms: int) -> Cue:
    """For the beginning of a sound, but not before `earliest_ms`."""
    start = max(round(ms_from_samples(sound.start_sample)), earliest_ms)
    piece = Piece(sound.tag, start, start + SOUND_MS)
    return Cue(start, start + SOUND_MS, ((piece,),), None, sound.channel)


def _pieces(segment: Segment) -> Iterator[Piece]:
    """Words, those longer than a line cut into pieces that share their time."""
    for word in segment.words:
        text = "".join(word.text.split())
        start, end = ms_from_samples(word.start_sample), ms_from_samples(word.end_sample)
        n_pieces = -(-len(text) // MAX_LINE_CHARS)
        for i in range(n_pieces):
            part = text[i * MAX_LINE_CHARS : (i + 1) * MAX_LINE_CHARS]
            step = (end - start) / n_pieces
            loudness_db = word.voice.loudness_db if word.voice is not None else None
            yield Piece(part, start + i * step, start + (i + 1) * step, loudness_db)


def _with_tag(tag: str, pieces: Sequence[Piece]) -> list[Piece]:
    """With a tag in front, on the line of the first word if there is room."""
    if not pieces:
        return []
    first, *others = pieces
    text = f"{tag} {first.text}"
    if len(text) > MAX_LINE_CHARS:
        return [replace(first, text=tag, end_ms=first.start_ms, loudness_db=None), *pieces]
    return [replace(first, text=text), *others]


class _Cut:
    """Ways to cut the pieces of a segment; the last cue may be shown until `latest_ms`."""

    def __init__(self, pieces: Sequence[Piece], latest_ms: float) -> None:
        self._pieces = pieces
        self._latest_ms = latest_ms
        pairs = list(pairwise(pieces))
        self._breaks = [
            0,
            *(break_cost(a.text, b.text, b.start_ms - a.end_ms) for a, b in pairs),
            0,
        ]
        self._spaces = [
            0,
            *(len(joined((a.text, b.text))) - len(a.text + b.text) for a, b in pairs),
        ]
        widths = (len(p.text) + space for p, space in zip(pieces, self._spaces, strict=False))
        self._widths = [0, *accumulate(widths)]
        self._sentences = [0, *accumulate(ends_sentence(piece.text) for piece in pieces)]

    def best(self) -> list[int]:
        """Where the cues of the cheapest cut begin, and the end of the last one."""
        count = len(self._pieces)
        costs, origins = [0.0] + [float("inf")] * count, [0] * (count + 1)
        for first in range(count):
            for last in range(first + 1, count + 1):
                if not self._may_grow(first, last):
                    break
                cost = costs[first] + self._cost(first, last)
                if cost < costs[last]:
                    costs[last], origins[last] = cost, first
        bounds = [count]
        while bounds[-1] > 0:
            bounds.append(origins[bounds[-1]])
        return bounds[::-1]

    def n_chars(self, first: int, last: int) -> int:
        return self._widths[last] - self._widths[first] - self._spaces[first]

    def lines(self, first: int, last: int) -> tuple[tuple[Piece, ...], ...]:
        at = self._line_break(first, last)[1]
        both = (tuple(self._pieces[first:at]), tuple(self._pieces[at:last]))
        return tuple(line for line in both if line)

    def _may_grow(self, first: int, last: int) -> bool:
        """Whether the pieces, of which all but the last may be one cue, may be one."""
        if last - first == 1:
            return True
        before, piece = self._pieces[last - 2 : last]
        return (
            self._line_break(first, last)[0] < float("inf")
            and piece.end_ms - self._pieces[first].start_ms <= MAX_CUE_MS
            and piece.start_ms - before.end_ms <= MAX_HOLD_MS
        )

    def _cost(self, first: int, last: int) -> float:
        is_last = last == len(self._pieces)
        until = self._latest_ms if is_last else self._pieces[last].start_ms - MIN_GAP_MS
        shown_ms = max(1.0, until - self._pieces[first].start_ms)
        rate = self.n_chars(first, last) * 1000 / shown_ms / MAX_CHARS_PER_S
        return (
            _CUE_COST
            + self._breaks[last]
            + self._line_break(first, last)[0] / 2
            + _INNER_SENTENCE_COST * (self._sentences[last - 1] - self._sentences[first])
            + _ORPHAN_CUE_COST * (last - first == 1)
            + _SHORT_COST * (shown_ms < MIN_CUE_MS)
            + _FAST_COST * min(1.0, max(0.0, rate - 1))
        )

    def _line_break(self, first: int, last: int) -> tuple[float, int]:
        """The cost of the best break into lines, and where the second begins; infinite if the
        pieces do not fit, `last` where one line holds them."""
        if self.n_chars(first, last) <= MAX_LINE_CHARS:
            return 0.0, last
        best, best_at = float("inf"), last
        for at in range(last - 1, first, -1):
            upper, lower = self.n_chars(first, at), self.n_chars(at, last)
            if lower > MAX_LINE_CHARS:
                break
            if upper > MAX_LINE_CHARS:
                continue
            orphan = _ORPHAN_LINE_COST * (at - first == 1 or last - at == 1)
            cost = self._breaks[at] + orphan + abs(upper - lower) / 21
            if cost < best:
                best, best_at = cost, at
        return best, best_at
