from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.emotion.disturbed import SETS, beside, disturbances
from benchmarks.sounds.tags import SOUNDS
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE


def loudness_dbfs(samples: Floats) -> float:
    return float(10 * np.log10(np.mean(np.square(samples))))


def noise(seconds: float, level: float) -> Floats:
    draw = np.random.default_rng(int(1_000 * level))
    return np.asarray(level * draw.standard_normal(int(seconds * SAMPLE_RATE)), np.float32)


@pytest.mark.parametrize("seconds", [0.5, 4])
def test_what_is_beside_is_as_long_and_so_much_softer(seconds: float) -> None:
    samples = noise(2, 0.01)
    both = beside(samples, noise(seconds, 0.2), 6)
    assert len(both) == len(samples)
    assert loudness_dbfs(samples) - loudness_dbfs(both - samples) == pytest.approx(6, abs=0.1)


def test_each_kind_takes_its_own_sounds(tmp_path: Path) -> None:
    rows = {name: [{"path": "a.wav"}] for name in SETS}
    rows[SOUNDS] = [
        {"path": f"{kind}.wav", "sound": kind, "licence": "CC0", "speech": "none"}
        for kind in ("noise", "music")
    ]
    for name, members in rows.items():
        (tmp_path / name).mkdir(parents=True)
        lines = map(json.dumps, members)
        (tmp_path / name / "manifest.jsonl").write_text("\n".join(lines), encoding="utf-8")
    hum = np.sin(np.arange(SAMPLE_RATE) / 8).astype(np.float32)
    for path, sound in ((f"{SETS[0]}/a", 0.5 * hum), (f"{SOUNDS}/music", hum * hum - 0.5)):
        soundfile.write(tmp_path / f"{path}.wav", sound, SAMPLE_RATE, subtype="FLOAT")
    for name in SETS[1:]:
        soundfile.write(tmp_path / name / "a.wav", 0.1 * hum, SAMPLE_RATE, subtype="FLOAT")
    speech = noise(1, 0.1)
    found = disturbances(tmp_path)
    voice = found["another voice, 0 dB below"](speech) - speech
    music = found["music, 20 dB below"](speech) - speech
    assert abs(np.corrcoef(voice, hum)[0, 1]) > 0.99
    assert abs(np.corrcoef(music, hum * hum)[0, 1]) > 0.99
    assert loudness_dbfs(found["at -65 dBFS"](speech)) == pytest.approx(-65, abs=0.1)
