"""Captions of several channels in one text: in the order in which they begin, with the names of
those who speak."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from streamer.audio.clock import ms_from_samples
from streamer.transcript.cues import Cue, CueTrack, sound_cue
from streamer.transcript.events import (
    SegmentClosed,
    SessionEvent,
    SoundHeard,
    SpeechBegan,
    WordsUpdate,
)
from streamer.transcript.ledger import Segment

T = TypeVar("T")


class OpenSegments:
    """Where the segments begin that are being spoken."""

    def __init__(self) -> None:
        self._starts: dict[int, int] = {}

    def on_event(self, event: SessionEvent) -> None:
        match event:
            case SpeechBegan():
                self._starts[event.channel] = event.start_sample
            case WordsUpdate() if words := (*event.committed, *event.tentative):
                self._starts.setdefault(event.channel, words[0].start_sample)
            case SegmentClosed():
                self._starts.pop(event.channel, None)

    @property
    def earliest(self) -> int | None:
        """Sample of the session; None while nobody speaks."""
        return min(self._starts.values(), default=None)


class InTurn(Generic[T]):
    """Gives items in the order of their beginnings: one waits while what began before it may still
    come."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, T]] = []
        self._n_added = 0

    def add(self, items: Iterable[tuple[float, T]], open_from: float | None) -> list[T]:
        """Those whose turn it is now.

        Args:
            items: with their beginnings.
            open_from: nothing that is yet to come begins before; None: nor does it before these.
        """
        for start, item in items:
            heapq.heappush(self._waiting, (start, self._n_added, item))
            self._n_added += 1
        given = []
        while self._waiting and (open_from is None or self._waiting[0][0] <= open_from):
            given.append(heapq.heappop(self._waiting)[2])
        return given

    def end(self) -> list[T]:
        """All that waits."""
        return self.add((), None)


class CuesInTurn:
    """The cues of all channels. Those of one never overlap each other; two people may, and sounds
    that are no speech."""

    def __init__(self, *, tagged: bool) -> None:
        """`tagged`: see `CueTrack`."""
        self._tagged = tagged
        self._tracks: dict[int, CueTrack] = {}
        self._turn: InTurn[Cue] = InTurn()
        self._newest_ms = 0
        """Where the newest cue begins that was given."""

    def add(self, segment: Segment, open_from: int | None) -> list[Cue]:
        """As `InTurn.add`, of a segment's cues; `open_from` in samples."""
        track = self._tracks.setdefault(segment.channel, CueTrack(tagged=self._tagged))
        return self._given(track.add(segment), open_from)

    def add_sound(self, sound: SoundHeard, open_from: int | None) -> list[Cue]:
        """The same of a sound that begins. It is known some seconds late: where what was said
        meanwhile has been given, its cue begins with that."""
        return self._given([sound_cue(sound, self._newest_ms)], open_from)

    def end(self) -> list[Cue]:
        return self._turn.end()

    def _given(self, cues: Iterable[Cue], open_from: int | None) -> list[Cue]:
        until = None if open_from is None else ms_from_samples(open_from)
        given = self._turn.add(((cue.start_ms, cue) for cue in cues), until)
        if given:
            self._newest_ms = given[-1].start_ms
        return given


@dataclass(frozen=True)
class Names:
    """What those who speak are called."""

    sides: tuple[str, ...] = ()
    """Of the channels, where they are kept apart."""
    people: tuple[str, ...] = ()
    """Whose voices are known, by their labels; others are "Speaker 1" and so on."""

    def of(self, channel: int, speaker: int | None) -> str | None:
        """None: it is not known. Whoever is heard first on a side has its name."""
        if speaker is not None and speaker < len(self.people):
            return self.people[speaker]
        if self.sides:
            # Sides take turns with the labels.
            before = (speaker - len(self.people)) // len(self.sides) if speaker is not None else 0
            side = self.sides[channel]
            return f"{side} ({before + 1})" if before else side
        return None if speaker is None else f"Speaker {speaker + 1}"


NOBODY: Final = Names()


class Naming:
    """Says who speaks, where that changes."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._newest: str | None = None

    def of(self, channel: int, speaker: int | None) -> str | None:
        """None: it is not known."""
        return self._names.of(channel, speaker)

    def prefix(self, channel: int, speaker: int | None) -> str:
        """In front of what is said next."""
        name = self._names.of(channel, speaker)
        if name is None or name == self._newest:
            return ""
        self._newest = name
        return f"{name}: "
