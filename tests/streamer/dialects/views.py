"""Reports made from a real ledger, for tests of the views."""

from __future__ import annotations

from streamer.session.report import Report
from streamer.transcript.events import (
    EmotionUpdate,
    Finalized,
    SegmentClosed,
    SessionEvent,
    SpeechBegan,
    StepDone,
    WordsUpdate,
)
from streamer.transcript.ledger import Emotion, Ledger
from tests.fakes import FakeWord

SAD = Emotion("sad", {"sad": 0.75, "neutral": 0.25})


def report(event: SessionEvent, lag_ms: float = 5.0) -> Report:
    return Report(event, lag_ms, 0)


class PromptContext:
    """Speaks into a ledger: every word takes half a second, and each call gives its reports."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.clock = 0

    def begin(self) -> Report:
        segment = self.ledger.open(self.clock)
        return report(SpeechBegan(segment.id, segment.start_sample))

    def words(self, committed: str = "", tentative: str = "") -> Report:
        if self.ledger.open_segment is None:  # goes on after a split
            self.ledger.open(self.clock)
        new = self.ledger.commit(self._words(committed))
        self.clock += 8_000 * len(new)
        guessed = self.ledger.set_tentative(self._words(tentative))
        open_segment = self.ledger.open_segment
        assert open_segment is not None
        return report(WordsUpdate(open_segment.id, new, guessed))

    def close(self, cause: str = "silence", silence: int = 8_000) -> Report:
        self.clock += silence
        return report(SegmentClosed(self.ledger.close(self.clock, SAD), cause))

    def finalized(self) -> Report:
        return report(Finalized(self.clock))

    def step(self) -> Report:
        return report(StepDone(1, self.clock, 0, {}))

    def feel(self) -> Report:
        return report(EmotionUpdate(SAD, 0, self.clock))

    def _words(self, text: str) -> list[FakeWord]:
        return [
            FakeWord(word, self.clock + i * 8_000, self.clock + (i + 1) * 8_000, 0.9)
            for i, word in enumerate(text.split())
        ]
