"""`streamer transcribe --show-emotion`: what is shown of the voice, and what is not computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeEngine
from tests.streamer.cli.conftest import Run


@pytest.mark.parametrize(
    ("stop", "line"),
    [
        ("off", "   0.00 -    1.00  w0"),
        ("subtle", "   0.00 -    1.00  w0  (happy)"),
        ("full", "   0.00 -    1.00  happy     w0"),
        ("voice", "   0.00 -    1.00  w0  (happy)"),
    ],
)
def test_how_much_of_the_voice_is_shown(
    run: Run, fake_engine: FakeEngine, speech: Path, tmp_path: Path, stop: str, line: str
) -> None:
    result = run("transcribe", speech, "--show-emotion", stop, "--save", tmp_path)
    assert result.stdout.splitlines()[0] == line
    tagged = "(happy) w0" in (tmp_path / "speech.srt").read_text(encoding="utf-8")
    assert tagged is (stop != "off")
    classes = "<c.happy>w0</c>" in (tmp_path / "speech.vtt").read_text(encoding="utf-8")
    assert classes is (stop == "full")


def test_off_computes_and_writes_nothing_of_it(
    run: Run, fake_engine: FakeEngine, speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models: list[str | None] = []

    def load_engine(*arguments: Any, emotion_model: str | None, **more: Any) -> FakeEngine:
        models.append(emotion_model)
        return fake_engine

    monkeypatch.setattr("streamer.cli.transcribe.load_engine", load_engine)
    off = run("transcribe", speech, "--json", "--show-emotion", "off")
    assert "emotion" not in off.stdout
    assert "emotion" in run("transcribe", speech, "--json").stdout
    assert models == [None, "emotion"]
    assert [r.options.emotion for r in fake_engine.recognizers] == [False, True]
