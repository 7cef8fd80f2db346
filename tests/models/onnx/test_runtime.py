from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest

from streamer.models.onnx.runtime import (
    DeviceUnavailableError,
    open_session,
    require_torch_device,
)
from tests.conftest import ROOT
from tests.models.fake_cuda import FakeCuda
from tests.speech_models import MoonshineFiles


class FakeSession:
    def __init__(self, path: str, options: ort.SessionOptions, providers: list[Any]) -> None:
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
            return [name for name, *_ in self.wanted[:1]]

    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(ort, "InferenceSession", OnGpu)
    session = open_session(Path("model.onnx"), threads=1, device="cuda:1")
    assert session.wanted == [("CUDAExecutionProvider", {"device_id": 1}), "CPUExecutionProvider"]


@pytest.mark.parametrize(
    ("cuda", "device", "told"),
    [
        (FakeCuda("Found no NVIDIA driver on your system."), "cuda", "Found no NVIDIA driver"),
        (FakeCuda("The NVIDIA driver on your system is too old"), "cuda", "driver .* is too old"),
        (FakeCuda(), "cuda:1", "no cuda:1 on this machine; use cuda:0, or"),
        (FakeCuda(capability=(3, 7)), "cuda", "Tesla K80 is too old .*use --device cpu"),
    ],
)
def test_why_a_card_cannot_be_used(
    cuda: FakeCuda, device: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda.put(monkeypatch)
    with pytest.raises(DeviceUnavailableError, match=told):
        require_torch_device(device)


def test_without_a_driver_pytorch_itself_says_so() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(DeviceUnavailableError, match=r"use --device cpu|without CUDA"):
        require_torch_device("cuda")


def test_nobody_is_told_that_onnx_runtime_is_used(tmp_path: Path) -> None:
    """Who reports to its makers keeps an id of the machine at home."""
    # Little else: where a variable looks like a build server's, the library keeps quiet anyway.
    environment = {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", "import streamer.recognition.engine"]
    subprocess.run(command, check=True, env=environment)
    assert list(tmp_path.rglob("*")) == []
