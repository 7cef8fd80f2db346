"""What a client that missed events has to be told to catch up.

Events are numbered from 1. What later events made pointless, superseded tentative words, emotions
and labels of speakers, is forgotten at once; what is told has the same effect as the events
themselves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from streamer.session.report import Report
from streamer.transcript.events import (
    AudioLost,
    EmotionUpdate,
    Finalized,
    SegmentClosed,
    SpeakersUpdate,
    TurnChanged,
    WordsUpdate,
)

_KEPT_EVENTS: Final = 2048
"""Some twenty minutes of speech: a second brings one or two events that are kept."""


class EventsGoneError(LookupError):
    """What the client missed is not held any more, or it claims events that never were."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The newest captions, as events. The first word among them has the id `first_word_id`."""

    first_word_id: int
    events: tuple[Report, ...]


class EventLog:
    """Numbers the events of a session and keeps what can still matter, `limit` events at most."""

    def __init__(
        self,
        limit: int = _KEPT_EVENTS,
        *,
        earlier: Sequence[Report] = (),
        complete_after: int = 0,
        seq: int = 0,
    ) -> None:
        """
        Args:
            earlier: numbered events that happened before, none of them tentative.
            complete_after: number of the event behind which they have no holes.
            seq: of the newest event that may have been told.
        """
        self._limit = limit
        self._seq = 0
        self._kept: deque[Report] = deque()
        self._complete_after = complete_after
        """Replays from before this event would have holes."""
        self._tails: dict[int, Report] = {}
        """What stands behind the committed words of each channel: tentative ones, or the end of a
        segment that had none."""
        self._emotions: dict[int, Report] = {}
        """The newest of each channel; so are the labels."""
        self._speakers: dict[int, Report] = {}
        self._next_word_id = 0
        for report in earlier:
            self._seq = report.seq - 1
            self.add(report)
        self._seq = seq

    @property
    def seq(self) -> int:
        """Number of the newest event; 0 before the first."""
        return self._seq

    def add(self, report: Report) -> Report:
        """Gives the report with its number."""
        self._seq += 1
        numbered, event = replace(report, seq=self._seq), report.event
        if isinstance(event, EmotionUpdate):
            self._emotions[event.channel] = numbered
        elif isinstance(event, SpeakersUpdate):
            self._speakers[event.channel] = numbered
        elif isinstance(event, WordsUpdate):
            tail = replace(event, committed=())
            self._tails[event.channel] = replace(numbered, event=tail)
            if event.committed:
                self._next_word_id = event.committed[-1].id + 1
                self._keep(replace(numbered, event=replace(event, tentative=())))
        elif isinstance(event, SegmentClosed) and not event.segment.words:
            self._tails[event.channel] = numbered
        elif isinstance(event, SegmentClosed):
            self._tails.pop(event.channel, None)
            self._keep(numbered)
        else:
            self._keep(numbered)
        return numbered

    @property
    def pruned(self) -> bool:
        """Whether the oldest events are not held any more."""
        return self._complete_after > 0

    def kept(self) -> tuple[Report, ...]:
        """What stays of all events that are held, oldest first."""
        return tuple(self._kept)

    def after(self, seq: int) -> tuple[Report, ...]:
        """Events that have the effect of all those with higher numbers.

        Raises:
            EventsGoneError: that is not to be had.
        """
        if not self._complete_after <= seq <= self._seq:
            raise EventsGoneError(f"events after {seq} are not held, {self._seq} is the newest")
        missed = {kept.seq: kept for kept in self._kept if kept.seq > seq}
        newest = (self._tails, self._emotions, self._speakers)
        for latest in (report for of_channel in newest for report in of_channel.values()):
            if latest.seq > seq:
                missed[latest.seq] = _joined(missed.get(latest.seq), latest)
        return tuple(missed[number] for number in sorted(missed))

    def snapshot(self, n_segments: int) -> Snapshot:
        """The newest segments, those that are open, and the emotions. Of several channels one may
        have spoken already when it begins: the end of its segment has those words, too."""
        # Behind the end of a speaker stand words that were told before it.
        ends = [
            kept
            for kept in self._kept
            if isinstance(kept.event, SegmentClosed) and kept.event.cause != "speaker"
        ]
        if len(ends) > n_segments:
            return self._snapshot_after(ends[-n_segments - 1])
        if self._complete_after == 0:
            return Snapshot(0, _captions(self.after(0)))
        if ends:
            return self._snapshot_after(ends[0])
        return Snapshot(self._next_word_id, ())

    def _snapshot_after(self, end: Report) -> Snapshot:
        events = _captions(self.after(end.seq))
        updates = (one.event for one in events if isinstance(one.event, WordsUpdate))
        committed = next((update.committed for update in updates if update.committed), ())
        return Snapshot(committed[0].id if committed else self._next_word_id, events)

    def _keep(self, numbered: Report) -> None:
        self._kept.append(numbered)
        if len(self._kept) > self._limit:
            self._complete_after = self._kept.popleft().seq


def _joined(committed: Report | None, tail: Report) -> Report:
    """Both halves of one update again: they have one number, so they must go in one piece."""
    if committed is None:
        return tail
    assert isinstance(committed.event, WordsUpdate)
    assert isinstance(tail.event, WordsUpdate)
    return replace(tail, event=replace(committed.event, tentative=tail.event.tentative))


def _captions(events: tuple[Report, ...]) -> tuple[Report, ...]:
    return tuple(n for n in events if not isinstance(n.event, AudioLost | Finalized | TurnChanged))
