"""`streamer emotion`, with the real classifier: it is small."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamer import models
from tests.streamer.cli.conftest import Run

LABELS = {"neutral", "happy", "sad", "angry", "fearful", "disgust"}


def test_json_contract(run: Run, bundled_speech: Path) -> None:
    clip = bundled_speech / "1029_WSI_ANG_XX.opus"
    result = run("emotion", "--json", clip)
    assert result.exit_code == 0
    line = json.loads(result.stdout)
    assert list(line) == ["file", "label", "probs"]
    assert line["file"] == str(clip)
    assert set(line["probs"]) == LABELS
    assert line["label"] == max(line["probs"], key=line["probs"].get)
    assert sum(line["probs"].values()) == pytest.approx(1.0, abs=0.001)


def test_text_for_people(run: Run, bundled_speech: Path) -> None:
    clip = bundled_speech / "1029_WSI_ANG_XX.opus"
    assert run("emotion", clip).stdout.startswith(f"{clip}: angry  (angry ")


def test_bad_and_silent_files_fail_and_the_others_are_done(
    run: Run, bundled_speech: Path, tmp_path: Path
) -> None:
    silent, text = tmp_path / "silent.wav", tmp_path / "text.wav"
    soundfile.write(silent, np.zeros(16_000, np.float32), 16_000)
    text.write_text("no sound here, only words")
    clip = bundled_speech / "1083_IWL_NEU_XX.opus"
    result = run("emotion", "--json", silent, text, clip)
    assert result.exit_code == 1
    assert [json.loads(line)["file"] for line in result.stdout.splitlines()] == [str(clip)]
    first, second = result.stderr.splitlines()
    assert first.startswith(f"error: {silent}: the clip is silent")
    assert second.startswith(f"error: {text}: is not audio")


def test_a_missing_model_is_one_line(
    run: Run, bundled_speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.models.store.zoo._packaged", lambda part: None)
    result = run("emotion", bundled_speech / "1029_WSI_ANG_XX.opus")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: the model emotion is not installed")


def test_a_model_that_is_nowhere_is_one_line(run: Run, bundled_speech: Path) -> None:
    clip = bundled_speech / "1029_WSI_ANG_XX.opus"
    result = run("emotion", "--emotion-model", "nonesuch", clip)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: there is no model 'nonesuch'; choose from")


def test_a_folder_of_the_recipe_can_be_the_model(
    run: Run, bundled_speech: Path, tmp_path: Path
) -> None:
    shipped = Path(models.__path__[0]) / "weights" / "emotion.onnx"
    (tmp_path / "emotion.onnx").write_bytes(shipped.read_bytes())
    clip = bundled_speech / "1029_WSI_ANG_XX.opus"
    named = run("emotion", "--json", "--emotion-model", tmp_path, clip)
    assert named.stdout == run("emotion", "--json", clip).stdout
