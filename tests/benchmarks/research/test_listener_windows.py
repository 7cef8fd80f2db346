from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.common import BUNDLED, Recording, load_clips
from benchmarks.research.listener_windows import (
    Heard,
    development_clips,
    hear,
    language_of,
    repeats,
    slips,
    summarize,
)
from streamer.models.store.catalog import WHISPER_BASE
from streamer.models.store.zoo import Zoo
from streamer.models.whisper.loading import load_listener
from streamer.transcript.wer import word_errors


def test_letters_of_another_script_are_slips() -> None:
    assert not any(map(slips, ("It's 7 o'clock – now.", "größer, ça", "¿Qué?", "")))
    assert all(map(slips, ("да", "It is 今日", "안녕")))


def test_more_than_half_as_many_words_again_are_repeats() -> None:
    assert not repeats("A b, c.", "a b")
    assert repeats("a b a b", "a b")
    assert not repeats("", "a b")


def test_a_summary_adds_up() -> None:
    rows = [
        Heard(word_errors("a b", "a b"), repeats=False, slips=False, cpu_s=0.2, wall_s=0.1),
        Heard(word_errors("c d", "c x"), repeats=True, slips=True, cpu_s=0.4, wall_s=0.3),
    ]
    assert summarize(rows) == {
        "clips": 2,
        "wer_percent": 25.0,
        "repeats": 1,
        "slips": 1,
        "cpu_s": 0.3,
        "wall_ms": {"p50": 200.0, "p95": 290.0},
    }


def test_the_clips_are_of_all_sets(shared_data: Path) -> None:
    clips = development_clips(shared_data)
    assert [len(some) for some in clips.values()] == [60, 50, 8, 8, 8]
    spoken = [{language_of(clip) for clip in some} for some in clips.values()]
    assert spoken == [{"en"}, {"en"}, {"de"}, {"es"}, {"fr"}]


@pytest.mark.slow
def test_a_clip_is_heard() -> None:
    listener = load_listener(WHISPER_BASE.name, Zoo(), threads=1)
    clip: Recording = min(load_clips(BUNDLED, Path()), key=lambda clip: len(clip.text))
    heard = hear(listener, clip, beam_width=1)
    assert heard.errors.rate == 0
    assert heard.cpu_s > 0
