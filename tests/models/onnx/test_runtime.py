from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnxruntime as ort
import pytest

from streamer.models.onnx.runtime import DeviceUnavailableError, open_session
from tests.conftest import ROOT
from tests.speech_models import MoonshineFiles


class FakeSession:
    def __init__(self, path: str, options: ort.SessionOptions, providers: list[str]) -> None:
        self.wanted = providers

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


def test_a_session_runs_on_the_cpu_with_the_stated_threads(
    moonshine_files: MoonshineFiles,
) -> None:
    session = open_session(moonshine_files.encoder, threads=2)
    assert session.get_providers() == ["CPUExecutionProvider"]
    options = session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 1)


@pytest.mark.parametrize("providers", [[], ["CUDAExecutionProvider"]])
def test_a_gpu_that_is_not_usable_is_named(
    providers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: providers)
    monkeypatch.setattr(ort, "InferenceSession", FakeSession)
    with pytest.raises(DeviceUnavailableError, match="use --device cpu"):
        open_session(Path("model.onnx"), threads=1, device="cuda")


def test_the_gpu_comes_first_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnGpu(FakeSession):
        def get_providers(self) -> list[str]:
            return self.wanted

    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(ort, "InferenceSession", OnGpu)
    session = open_session(Path("model.onnx"), threads=1, device="cuda")
    assert session.get_providers() == ["CUDAExecutionProvider", "CPUExecutionProvider"]


def test_nobody_is_told_that_onnx_runtime_is_used(tmp_path: Path) -> None:
    """Who reports to its makers keeps an id of the machine at home."""
    # Little else: where a variable looks like a build server's, the library keeps quiet anyway.
    environment = {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", "import streamer.recognition.engine"]
    subprocess.run(command, check=True, env=environment)
    assert list(tmp_path.rglob("*")) == []
