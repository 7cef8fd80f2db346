"""The shipped recordings are what their manifest says, small, and attributed."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.audio.files import read_samples
from streamer.client.bundled import bundled_speech as clips


def test_the_manifest_matches_the_files(bundled_speech: Path) -> None:
    listed = clips()
    assert {clip.path.resolve() for clip in listed} == set(bundled_speech.glob("*.opus"))
    for clip in listed:
        assert len(read_samples(clip.path)) / 16_000 == pytest.approx(clip.duration_s, abs=0.01)


def test_there_is_about_a_minute_of_several_speakers_and_emotions() -> None:
    listed = clips()
    assert 45 <= sum(clip.duration_s for clip in listed) <= 75
    assert sum(clip.path.stat().st_size for clip in listed) < 1_500_000
    assert len({clip.speaker for clip in listed}) == len(listed)
    assert {clip.label for clip in listed} >= {"happy", "sad", "angry", "neutral", None}


def test_every_licence_is_attributed(bundled_speech: Path) -> None:
    notice = (bundled_speech / "README.md").read_text(encoding="utf-8")
    assert {clip.licence for clip in clips()} == {"CC-BY-4.0", "ODbL-1.0"}
    for name in ("LibriSpeech", "Panayotov", "CC BY 4.0", "CREMA-D", "Cao", "ODbL 1.0", "DbCL"):
        assert name in notice
