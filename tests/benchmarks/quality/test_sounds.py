from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.common import BUNDLED, Recording, load_clips
from benchmarks.quality.sounds import (
    at_level,
    hear_sounds,
    hear_speech,
    load_sounds,
    loses_first_word,
)
from streamer.recognition.engine import Engine, EngineOptions


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """A manifest of four clips in two folders; one clip cannot be read, one has a word."""
    rows = [
        {"path": "noise/a.wav", "text": "", "speech": "none"},
        {"path": "noise/b.wav", "text": "", "speech": "none"},
        {"path": "noise/c.wav", "text": "", "speech": "some"},
        {"path": "knock/d.wav", "text": "", "speech": "none"},
    ]
    noise = 0.05 * np.random.default_rng(0).standard_normal(16_000)
    for row in rows:
        path = tmp_path / str(row["path"])
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, noise, 16_000)
    (tmp_path / "knock" / "d.wav").write_bytes(b"RIFF")
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("\n".join(map(json.dumps, rows)))
    return manifest


def test_every_second_clip_of_a_kind_was_not_seen(sounds: Path) -> None:
    found = [(clip.kind, clip.half, clip.path.name) for clip in load_sounds(sounds)]
    assert found == [
        ("noise", "seen", "a.wav"),
        ("noise", "unseen", "b.wav"),
        ("knock", "seen", "d.wav"),
    ]


def test_a_missing_manifest_is_told(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="see --sounds"):
        load_sounds(tmp_path / "none.jsonl")


def test_quiet_speech_has_its_level_and_16_bits() -> None:
    tone = np.sin(np.arange(32_000) / 5).astype(np.float32)
    quiet = at_level(tone, -60)
    assert len(quiet) == 64_000
    assert not quiet[:16_000].any()
    assert not quiet[-16_000:].any()
    loud = np.sqrt(np.mean(np.square(quiet[16_000:-16_000])))
    assert 20 * np.log10(loud) == pytest.approx(-60, abs=0.1)
    assert np.array_equal(quiet * 32_768, np.rint(quiet * 32_768))


@pytest.mark.parametrize(
    ("heard", "lost"),
    [("go home", False), ("So home.", False), ("home", True), ("", True), ("oh go home", False)],
)
def test_a_first_word_is_lost_where_nothing_stands_for_it(heard: str, lost: bool) -> None:
    assert loses_first_word("Go home", heard) == lost


@pytest.mark.slow
def test_sounds_and_speech_are_counted(sounds: Path) -> None:
    clip: Recording = min(load_clips(BUNDLED, Path()), key=lambda clip: len(clip.text))
    engine = Engine.load(EngineOptions(threads=1, llm=False))
    try:
        found = hear_sounds(engine, load_sounds(sounds))
        speech = hear_speech(engine, [clip], -30)
    finally:
        engine.close()
    assert (found["unseen"]["clips"], found["unseen"]["words"]) == (1, 0)
    assert list(found["unreadable"]) == ["knock/d.wav"]
    assert found["kinds"]["noise"]["clips"] == 2
    assert speech["words"] == len(clip.text.split())
    assert speech["lost"] == speech["first_words_lost"] == 0
