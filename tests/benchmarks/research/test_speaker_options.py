"""Who says the pieces of true turns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from benchmarks.research.speaker_options import Heard, tell
from streamer.recognition.speakers.options import SpeakerOptions
from streamer.recognition.speakers.timeline import CELL_SAMPLES, Window

LENGTH, HOP = 25_600, 19_200
ALIKE = 0.61


def segment(start: int, angle: float) -> Heard:
    """Three windows of one voice; two such are as alike as the cosine between them."""
    vector = np.array([np.cos(angle), np.sin(angle)], np.float32)
    starts = [start + at * HOP for at in range(3)]
    end = starts[-1] + LENGTH
    return Heard(
        tuple(Window(at, at + LENGTH, vector) for at in starts),
        start // CELL_SAMPLES,
        (1.0,) * ((end - start) // CELL_SAMPLES),
        ((start, start + HOP), (start + HOP, end)),
    )


@pytest.mark.parametrize(("same", "labels"), [(0.6, ["0", "0"]), (0.62, ["0", "1"])])
def test_voices_are_told_by_the_likeness_that_is_asked(same: float, labels: list[str]) -> None:
    heard = [segment(0, 0.0), segment(10 * LENGTH, float(np.arccos(ALIKE)))]
    told = tell(heard, replace(SpeakerOptions(), same=same))
    assert [turn.speaker for turn in told] == [one for one in labels for _ in range(2)]
    assert (told[1].start_s, told[1].end_s) == (1.2, 4.0)
