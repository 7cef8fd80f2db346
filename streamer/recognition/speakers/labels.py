"""Labels on the words of a session's ledger, and the end of a segment where they change."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence

from streamer.recognition.speakers.monitor import SpeakerMonitor
from streamer.recognition.words.contract import Sound
from streamer.transcript.events import SegmentClosed, SessionEvent, SpeakersUpdate
from streamer.transcript.ledger import Arousal, Emotion, Ledger, NewWord


class SpeakerLabels:
    """Of one session; none at all if nobody asked who speaks."""

    def __init__(self, monitor: SpeakerMonitor | None, ledger: Ledger) -> None:
        self._monitor = monitor
        self._ledger = ledger

    def begin(self, start_sample: int) -> None:
        """A segment opens."""
        if self._monitor is not None:
            self._monitor.begin(start_sample)

    def start(self, sound: Sound, end: int) -> None:
        """Listen to the sound up to `end`, beside what makes words of it."""
        if self._monitor is not None:
            self._monitor.start(sound, end)

    def of(self, words: Sequence[NewWord]) -> tuple[int | None, ...]:
        """As far as they are known by now: one for each, or none at all."""
        return self._monitor.labels(words) if self._monitor is not None else ()

    def collect(self, sound: Sound, end: int) -> Iterator[SpeakersUpdate]:
        """Take what `start` found out, and tell which labels that changes."""
        segment = self._ledger.open_segment
        if self._monitor is None or segment is None:
            return
        if self._monitor.collect(sound, segment.start_sample, end):
            labels = self._monitor.labels(segment.words)
            if self._ledger.set_speakers(labels):
                yield SpeakersUpdate(segment.id, segment.words[0].id, labels)

    def split(
        self,
        sound: Sound,
        there: range,
        emotion_of: Callable[[int, int, Arousal | None], Emotion | None],
        *,
        goes_on: bool,
    ) -> Generator[SessionEvent, None, tuple[int | None, bool]]:
        """Close the open segment wherever somebody else begins to speak; gives who speaks last, and
        whether somebody else spoke before.

        Args:
            there: samples that can be read.
            emotion_of: gives the emotion between two samples.
            goes_on: speech does, in the next segment.
        """
        segment = self._ledger.open_segment
        if self._monitor is None or segment is None or not segment.words:
            return None, False
        *others, last = self._monitor.close(
            sound, segment.start_sample, segment.words, there, goes_on=goes_on
        )
        for part in others:
            said = segment.words[part.start : part.end]
            emotion = emotion_of(said[0].start_sample, said[-1].end_sample, None)
            closed = self._ledger.split(len(said), emotion, part.speaker)
            yield SegmentClosed(closed, "speaker", closed.id + 1)
        return last.speaker, bool(others)
