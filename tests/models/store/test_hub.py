from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest

from streamer.models.errors import ModelMissingError
from streamer.models.store.hub import Weights
from streamer.models.store.zoo import Zoo

COMMIT = "1f0e" * 10


def test_the_hub_is_asked_only_by_explicit_name(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(repository: str, file: str, revision: str) -> str:
        asked.append((repository, file, revision))
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert zoo.path(f"hub:someone/model@{COMMIT}", "model.onnx") == tmp_path / "model.onnx"
    with pytest.raises(ModelMissingError):
        zoo.path("someone/model", "model.onnx")
    for revision in ("", "@", "@main", "@v1.0", f"@{COMMIT[:12]}"):
        with pytest.raises(ModelMissingError, match="name the commit too"):
            zoo.path(f"hub:someone/model{revision}", "model.onnx")
    assert asked == [("someone/model", "model.onnx", COMMIT)]


def test_only_weights_that_cannot_carry_code_are_fetched(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(repository: str, revision: str, allow_patterns: list[str]) -> str:
        assert not [pattern for pattern in allow_patterns if pattern.endswith((".bin", ".py"))]
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(ModelMissingError, match="safetensors"):
        zoo.folder(f"hub:someone/model@{COMMIT}")
    (tmp_path / "model.safetensors").touch()
    assert zoo.folder(f"hub:someone/model@{COMMIT}") == tmp_path


def test_an_unreachable_hub_is_said_in_one_line(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(repository: str, file: str, revision: str) -> str:
        raise ConnectionError("no route\nto anywhere")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(ModelMissingError, match=r"could not be fetched .*\(no route\)") as caught:
        zoo.path(f"hub:someone/model@{COMMIT}", "model.onnx")
    assert "\n" not in str(caught.value)


def test_a_model_bin_is_fetched_for_ctranslate2_alone(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(repository: str, revision: str, allow_patterns: list[str]) -> str:
        weights = [pattern for pattern in allow_patterns if "json" not in pattern]
        assert weights == ["*.jinja", "*.txt", "model.bin"]
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(ModelMissingError, match=r"no model for CTranslate2 \(no model\.bin\)"):
        zoo.folder(f"hub:someone/model@{COMMIT}", Weights.CTRANSLATE2)
    (tmp_path / "model.bin").touch()
    assert zoo.folder(f"hub:someone/model@{COMMIT}", Weights.CTRANSLATE2) == tmp_path
    with pytest.raises(ModelMissingError, match="name the commit too"):
        zoo.folder("hub:someone/model", Weights.CTRANSLATE2)
