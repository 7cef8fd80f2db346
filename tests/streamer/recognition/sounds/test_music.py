"""Where music begins and ends, from probabilities alone."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.models.sounds.classifier import AHEAD_FRAMES, KINDS
from streamer.recognition.sounds.music import Music, SoundOptions
from streamer.transcript.events import SoundHeard

OPTIONS = SoundOptions(window_ms=2_000, begins=0.9, ends=0.3)


def frames(*parts: tuple[float, float], kind: str = "music") -> np.ndarray:
    """Seconds and how likely they are music, behind what lies before the sound."""
    of_kind = [np.ones(AHEAD_FRAMES), *(np.full(round(100 * s), p) for s, p in parts)]
    told = np.zeros((sum(map(len, of_kind)), len(KINDS)), np.float32)
    told[:, KINDS.index(kind)] = np.concatenate(of_kind)
    return told


def heard(probabilities: np.ndarray, start_sample: int = 0) -> list[tuple[float, float | None]]:
    """In seconds."""
    music = Music(start_sample, OPTIONS)
    return [
        (one.start_sample / 16_000, None if one.end_sample is None else one.end_sample / 16_000)
        for one in music.judge(probabilities)
    ]


@pytest.mark.parametrize("kind", ["music", "singing"])
def test_music_is_told_where_it_began_and_where_it_ended(kind: str) -> None:
    told = heard(frames((3, 0.02), (10, 1.0), (4, 0.02), kind=kind))
    (began, no_end), (again, ended) = told
    assert no_end is None
    assert began == again == pytest.approx(3, abs=0.2)
    assert ended == pytest.approx(13, abs=0.2)


def test_what_is_short_or_unsure_is_not_told() -> None:
    assert heard(frames((3, 0.0), (1.5, 1.0), (3, 0.0))) == []
    assert heard(frames((20, 0.7))) == []
    assert heard(frames((20, 1.0), kind="speech")) == []


def test_a_pause_in_it_is_still_music() -> None:
    assert len(heard(frames((5, 1.0), (1, 0.0), (5, 1.0)))) == 1


def test_it_begins_with_the_sound_at_the_earliest() -> None:
    assert heard(frames((5, 1.0)), start_sample=160_000) == [(10.0, None)]


def test_it_breaks_off_with_the_sound() -> None:
    music = Music(0, OPTIONS)
    assert len(list(music.judge(frames((5, 1.0))))) == 1
    assert list(music.stop()) == [SoundHeard("music", 0, 80_000)]
    assert list(music.stop()) == []
