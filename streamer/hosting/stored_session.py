"""What is left of a session whose server died: enough to go on with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby

from streamer.hosting.event_log import EventLog
from streamer.models.silero import FRAME_SAMPLES
from streamer.protocol.joining import joined
from streamer.protocol.messages import MAX_CONTEXT_CHARS, StartMessage
from streamer.recognition.contract import StartPoint
from streamer.session.report import Report
from streamer.transcript.events import SegmentClosed, WordsUpdate
from streamer.transcript.ledger import Segment, Word


@dataclass(frozen=True, slots=True)
class StoredEnd:
    """The end of a segment, and the number of the event that told it."""

    segment_id: int
    start_sample: int
    end_sample: int
    cause: str
    seq: int
    channel: int = 0
    speaker: int | None = None
    """A number that tells voices apart, and nothing of them."""

    @classmethod
    def of(cls, closed: SegmentClosed, seq: int) -> StoredEnd:
        segment = closed.segment
        return cls(
            segment.id,
            segment.start_sample,
            segment.end_sample,
            closed.cause,
            seq,
            closed.channel,
            segment.speaker,
        )


def ends_of_unclosed(
    words: Iterable[Word], channels: Mapping[int, int], closed: Iterable[StoredEnd], first_seq: int
) -> list[StoredEnd]:
    """Ends, behind their last committed words, of the segments that have none.

    Args:
        channels: of the segments that have words.
        first_seq: number of the first of these ends.
    """
    said: dict[int, list[Word]] = {}
    for word in words:
        said.setdefault(word.segment_id, []).append(word)
    unclosed = sorted(said.keys() - {end.segment_id for end in closed})
    return [
        StoredEnd(
            segment_id,
            said[segment_id][0].start_sample,
            said[segment_id][-1].end_sample,
            "length",
            seq,
            channels[segment_id],
        )
        for seq, segment_id in enumerate(unclosed, first_seq)
    ]


@dataclass(frozen=True, slots=True)
class StoredSession:
    """Every segment has its end: what was open when the server died was closed behind its last
    word."""

    id: str
    token_hash: bytes
    """SHA-256 of the resume token."""
    follow_id: str
    start: StartMessage
    """As the client sent it, without its secret."""
    positions: tuple[int, ...]
    """For each channel: all its audio before this sample is captioned, or silent."""
    lost_samples: int
    """Of all channels."""
    seq: int
    """No event has been told whose number is higher."""
    words: tuple[tuple[int, Word], ...]
    """With the number of the event that told it, oldest first."""
    ends: tuple[StoredEnd, ...]
    """Oldest first."""

    @property
    def text(self) -> str:
        """Segment by segment, so that channels do not speak at once."""
        words = sorted((word for _, word in self.words), key=lambda word: word.segment_id)
        return joined(word.text for word in words)

    @property
    def start_points(self) -> tuple[StartPoint, ...]:
        """Where the recognizers of the channels go on. The detector begins with a whole frame; what
        that passes over, 32 ms at most, belongs to the last word. What was lost stands at the
        first."""
        known = len(self.start.known_voices)
        labels = max((end.speaker + 1 for end in self.ends if end.speaker is not None), default=0)
        # They were dealt out to the channels in turn.
        speakers = known + -(-max(0, labels - known) // len(self.positions))
        return tuple(
            StartPoint(
                sample=-(-position // FRAME_SAMPLES) * FRAME_SAMPLES,
                word_id=self.words[-1][1].id + 1 if self.words else 0,
                segment_id=self.ends[-1].segment_id + 1 if self.ends else 0,
                lost_samples=self.lost_samples if channel == 0 else 0,
                speakers=speakers,
            )
            for channel, position in enumerate(self.positions)
        )

    @property
    def context(self) -> str:
        """What was said before, for the LLM."""
        return f"{self.start.context} {self.text}".strip()[-MAX_CONTEXT_CHARS:]

    def log(self) -> EventLog:
        """The events, numbered as they were."""
        # Without the words of the first segments there are holes.
        pruned = bool(self.words) and len(self.words) <= self.words[-1][1].id
        events = sorted((*self._updates(), *self._closings()), key=lambda report: report.seq)
        return EventLog(
            earlier=events,
            complete_after=events[0].seq - 1 if pruned and events else 0,
            seq=self.seq,
        )

    def _updates(self) -> list[Report]:
        channels = {end.segment_id: end.channel for end in self.ends}
        return [
            _report(WordsUpdate(words[0].segment_id, words, (), channels[words[0].segment_id]), seq)
            for seq, group in groupby(self.words, key=lambda numbered: numbered[0])
            if (words := tuple(word for _, word in group))
        ]

    def _closings(self) -> list[Report]:
        closings = []
        for end in self.ends:
            words = tuple(
                replace(word.as_final(), speaker=end.speaker)
                for _, word in self.words
                if word.segment_id == end.segment_id
            )
            segment = Segment(
                end.segment_id,
                end.start_sample,
                end.end_sample,
                words,
                emotion=None,
                final=True,
                channel=end.channel,
                speaker=end.speaker,
            )
            following = None
            if end.cause == "speaker":
                behind = (one.segment_id for one in self.ends if one.channel == end.channel)
                following = min(one for one in behind if one > end.segment_id)
            closings.append(_report(SegmentClosed(segment, end.cause, following), end.seq))
        return closings


def _report(event: WordsUpdate | SegmentClosed, seq: int) -> Report:
    return Report(event, lag_ms=0.0, made_ns=0, seq=seq)
