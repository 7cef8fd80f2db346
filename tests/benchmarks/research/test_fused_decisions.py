"""Recording what the decoder asks."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.common import Recording, load_clips
from benchmarks.research.fused_decisions import RUN_LENGTH, DecisionRecorder, in_turns, record_all
from streamer.models.train.fusion.data import load_decisions

if TYPE_CHECKING:
    from streamer.recognition.engine import Engine


def test_turns_keep_neighbours_together_and_lose_nobody() -> None:
    recordings = [Recording("set", f"{i:02}", (), "", "1") for i in range(20)]
    turns = in_turns(recordings, seed=3)
    assert turns != recordings
    assert sorted(turns, key=lambda r: r.id) == recordings
    steps = [int(b.id) - int(a.id) for a, b in pairwise(turns)]
    assert steps.count(1) >= len(recordings) * (RUN_LENGTH - 1) // RUN_LENGTH - 1


@pytest.mark.slow
def test_a_recording_gives_its_questions_with_what_was_heard(
    engine: Engine, tmp_path: Path
) -> None:
    clips = [c for c in load_clips("bundled", Path()) if c.id.startswith("1995-1837")]
    record_all(DecisionRecorder(engine), clips, tmp_path, seed=0)
    (file,) = tmp_path.glob("*/*.npz")
    *questions, whole = load_decisions(file)
    assert whole.kind == "clip"
    assert questions
    assert all(len(decision.options) > 1 for decision in questions)
    assert all(decision.audio.shape[1] == 288 for decision in questions)
    assert questions[-1].emotion.shape[1] == 160
    assert questions[-1].context.startswith(questions[0].context)
    assert questions[-1].context
    assert all(option.errors < len(clips[0].text.split()) / 2 for option in whole.options)
