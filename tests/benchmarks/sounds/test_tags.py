from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.sounds.tags import hear_sounds, load_sounds_by_half, load_speech, measured, mixed
from streamer.audio.arrays import Floats
from streamer.models.store.zoo import Zoo
from streamer.recognition.sounds.music import SoundOptions
from streamer.recognition.sounds.service import load_sounds
from tests.models.tunes import tune


def noise(seconds: float) -> Floats:
    chance = np.random.default_rng(0).standard_normal(round(16_000 * seconds))
    return (0.05 * chance).astype(np.float32)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Music and noise of several licences, and a set of speech that is none."""
    folder = tmp_path / "sounds" / "nonspeech"
    folder.mkdir(parents=True)
    rows = [
        ("free.wav", tune(8), "music", "none", "CC BY 3.0 (somebody)"),
        ("bound.wav", tune(6), "music", "none", "CC BY-NC 3.0"),
        ("unknown.wav", noise(6), "noise", "none", "not stated (MIT?): internal tests only"),
        ("laugh.wav", noise(1), "vocal_laughing", "vocalisation", "CC BY-NC-ND 4.0"),
        ("spoken.wav", noise(1), "noise", "some", "CC0"),
    ]
    told = []
    for path, samples, sound, speech, licence in rows:
        soundfile.write(folder / path, samples, 16_000)
        told.append({"path": path, "sound": sound, "speech": speech, "licence": licence})
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, told)))
    spoken = tmp_path / "asr" / "spoken"
    spoken.mkdir(parents=True)
    for name in ("a.wav", "b.wav"):
        soundfile.write(spoken / name, noise(2), 16_000)
    rows_of_speech = [json.dumps({"path": name}) for name in ("a.wav", "b.wav")]
    (spoken / "manifest.jsonl").write_text("\n".join(rows_of_speech))
    return tmp_path


def test_only_what_is_free_is_for_development(data: Path) -> None:
    found = {clip.path.name: (clip.half, clip.kind) for clip in load_sounds_by_half(data)}
    assert found == {
        "free.wav": ("development", "music"),
        "bound.wav": ("test", "music"),
        "unknown.wav": ("test", "noise"),
        "laugh.wav": ("test", "laughing"),
    }
    with pytest.raises(typer.BadParameter, match="see --data"):
        load_sounds_by_half(data / "asr")


def test_speech_is_heard_clip_behind_clip_as_long_as_is_wanted(data: Path) -> None:
    assert len(load_speech(data, "asr/spoken", 1)) == 64_000
    assert len(load_speech(data, "asr/spoken", 0.05)) == 48_000


def test_speech_is_so_much_louder_than_music() -> None:
    both = mixed(noise(2), tune(2), 20)
    music = both - noise(2)
    ratio = np.sqrt(np.mean(noise(2) ** 2) / np.mean(music**2))
    assert 20 * np.log10(ratio) == pytest.approx(20, abs=0.1)


def test_tags_are_counted(data: Path) -> None:
    classifier, options = load_sounds(Zoo()), SoundOptions()
    found = hear_sounds(classifier, load_sounds_by_half(data), options)
    music, other = found["kinds"]["music"], found["kinds"]["noise"]
    assert (music["clips"], music["clips_tagged"]) == (2, 2)
    assert music["seconds_tagged"] == pytest.approx(14, abs=1)
    assert (other["clips"], other["clips_tagged"]) == (1, 0)
    assert found["told"].keys() == {"free", "bound"}
    speech = measured(classifier, load_speech(data, "asr/spoken", 1), options)
    assert (speech["tags"], speech["at_s"]) == (0, [])
    assert speech["cpu_ms_a_second"] > 0
