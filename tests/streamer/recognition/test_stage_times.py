from __future__ import annotations

import pytest

from streamer.recognition.stage_times import StageTimes


class Spans:
    def __init__(self) -> None:
        self.made: list[tuple[str, str, int, int]] = []

    def add(self, name: str, lane: str, start_ns: int, end_ns: int) -> None:
        self.made.append((name, lane, start_ns, end_ns))


def test_times_add_up_by_stage_until_they_are_taken() -> None:
    spans = Spans()
    times = StageTimes(spans)
    added = [("llm", "llm", 0, 2_000_000), ("vad", "asr", 5, 1_005), ("llm", "llm", 9, 500_009)]
    for span in added:
        times.add(*span)
    assert times.take() == {"llm": pytest.approx(2.5), "vad": pytest.approx(0.001)}
    assert times.take() == {}
    assert spans.made == added
