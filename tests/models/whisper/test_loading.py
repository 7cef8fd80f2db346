from __future__ import annotations

import shutil
from pathlib import Path

import ctranslate2
import huggingface_hub
import numpy as np
import pytest

from streamer.models.errors import ModelCorruptError, ModelMissingError
from streamer.models.onnx.runtime import DeviceUnavailableError
from streamer.models.store.catalog import MOONSHINE, WHISPER_TINY_EN
from streamer.models.store.zoo import Zoo
from streamer.models.whisper.contract import ListenRequest
from streamer.models.whisper.loading import load_listener

COMMIT = "1f0e" * 10
FILES = ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a model, as somebody may have it."""
    target = tmp_path / "own"
    target.mkdir()
    for file in FILES:
        shutil.copy(Zoo().path(WHISPER_TINY_EN.name, file), target)
    return target


def test_the_projects_own_is_gathered_in_one_folder_and_healed(tmp_path: Path) -> None:
    zoo = Zoo(tmp_path)
    load_listener(WHISPER_TINY_EN.name, zoo, threads=1)
    (folder,) = (tmp_path / "derived").glob("whisper-tiny-en-*/")
    assert {file.name for file in folder.iterdir()} == {*FILES, "judge.onnx", "contents.json"}
    (folder / "model.bin").write_bytes(b"damaged")
    load_listener(WHISPER_TINY_EN.name, zoo, threads=1)


def test_a_folder_is_used_as_it_stands(folder: Path, tmp_path: Path) -> None:
    listener = load_listener(str(folder), Zoo(tmp_path / "cache"), threads=2)
    (hearing,) = listener.hear([ListenRequest(np.zeros(16_000, np.float32), "en")])
    assert hearing.no_speech > 0.5
    assert not (tmp_path / "cache").exists()


def test_a_commit_on_the_hub_is_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(repository: str, revision: str, allow_patterns: list[str]) -> str:
        asked.append((repository, revision, "model.bin" in allow_patterns))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    load_listener(f"hub:someone/faster-whisper@{COMMIT}", Zoo(tmp_path), threads=1)
    assert asked == [("someone/faster-whisper", COMMIT, True)]


@pytest.mark.parametrize("file", ["config.json", "model.bin", "tokenizer.json"])
def test_what_is_missing_is_named(file: str, folder: Path) -> None:
    (folder / file).unlink()
    with pytest.raises(ModelMissingError, match=f"not complete .it has no {file}"):
        load_listener(str(folder), Zoo(), threads=1)


@pytest.mark.parametrize("content", [b"", b"\x80\x04N.", b"\x06\x00\x00\x00" + b"x" * 1_000])
def test_what_is_no_model_is_refused(content: bytes, folder: Path) -> None:
    """A pickle, for one: it is not opened as such."""
    (folder / "model.bin").write_bytes(content)
    with pytest.raises(ModelCorruptError, match="no Whisper for CTranslate2"):
        load_listener(str(folder), Zoo(), threads=1)


def test_other_kinds_of_models_are_named() -> None:
    with pytest.raises(ModelMissingError, match="another kind of model: speech recognition"):
        load_listener(MOONSHINE.name, Zoo(), threads=1)


@pytest.mark.skipif(ctranslate2.get_cuda_device_count() > 0, reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told(folder: Path) -> None:
    with pytest.raises(DeviceUnavailableError, match="use --device cpu"):
        load_listener(str(folder), Zoo(), threads=1, device="cuda")


def test_a_gpu_that_fails_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Library libcublas.so.12 is not found or cannot be loaded")

    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 1)
    monkeypatch.setattr(ctranslate2.models, "Whisper", fail)
    with pytest.raises(DeviceUnavailableError, match=r"libcublas\.so\.12 .* use --device cpu"):
        load_listener(str(folder), Zoo(), threads=1, device="cuda")
