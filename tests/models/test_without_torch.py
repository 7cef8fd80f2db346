"""Captions need neither PyTorch nor the transformers library; what needs them says so."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from streamer.client.bundled import bundled_speech
from streamer.decoding.loading import load_speech
from streamer.models.emotion.loading import load_emotion_model
from streamer.models.errors import ModelMissingError
from streamer.models.llm.loading import load_llm
from streamer.models.store.catalog import WHISPER_BASE
from streamer.models.store.zoo import Zoo
from streamer.recognition.engine import ASR_MODEL, LLM_MODEL
from tests.conftest import ROOT

COMMAND_WITHOUT = """\
import sys
from importlib.machinery import PathFinder

MISSING = {"torch", "torchaudio", "transformers", "triton"}
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name in MISSING else find(name, *rest)

from streamer.cli import main

main()
"""


@pytest.mark.slow
def test_speech_is_captioned_from_an_empty_cache_without_torch(tmp_path: Path) -> None:
    clip = bundled_speech()[1]
    command = ["transcribe", str(clip.path), "--latency", "balanced", "--threads", "1"]
    done = subprocess.run(
        [sys.executable, "-c", COMMAND_WITHOUT, *command],
        cwd=ROOT,
        env={**os.environ, "STREAMER_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "exactly what happened" in done.stdout
    built = {path.name.rsplit("-", 1)[0] for path in (tmp_path / "derived").glob("*/")}
    assert built == {ASR_MODEL, LLM_MODEL, WHISPER_BASE.name}


LOADERS: dict[str, Callable[[str, Zoo], object]] = {
    "speech": lambda name, zoo: load_speech(name, zoo, threads=1),
    "llm": lambda name, zoo: load_llm(name, zoo, threads=1),
    "emotion": load_emotion_model,
}


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("name", ["FOLDER", f"hub:someone/model@{'1f0e' * 10}"])
def test_a_model_by_name_names_the_extra(
    kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name in ("torch", "transformers") else find(name, *rest),
    )
    (tmp_path / "tokenizer.json").touch()
    # Nothing else of a hub's is fetched to know that the library is needed.
    config = tmp_path / "config.json"
    config.write_text('{"model_type": "whisper"}')
    monkeypatch.setattr("streamer.models.store.zoo.fetch_from_hub", lambda _, file: config)
    with pytest.raises(ModelMissingError, match="needs torch and transformers; install the extra"):
        LOADERS[kind](name.replace("FOLDER", str(tmp_path)), Zoo(tmp_path / "cache"))


def test_a_name_that_leads_nowhere_is_told_first(tmp_path: Path) -> None:
    zoo = Zoo(tmp_path)
    with pytest.raises(ModelMissingError, match="there is no model 'nonesuch'"):
        load_emotion_model("nonesuch", zoo)
    with pytest.raises(ModelMissingError, match="there is no model 'nonesuch'"):
        load_llm("nonesuch", zoo, threads=1)
