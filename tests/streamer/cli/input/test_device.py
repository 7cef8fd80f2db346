"""What the commands make of graphics cards."""

from __future__ import annotations

from typing import Any

import pytest

from streamer.models.onnx.runtime import DeviceUnavailableError
from streamer.recognition.engine import Engine, EngineOptions
from tests.models.fake_cuda import FakeCuda
from tests.streamer.cli.conftest import Run


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[EngineOptions]:
    """What engine the command wanted; it gets none."""
    wanted: list[EngineOptions] = []

    def load(options: EngineOptions, *_: Any, **__: Any) -> Engine:
        wanted.append(options)
        raise DeviceUnavailableError("there is none")

    monkeypatch.setattr(Engine, "load", load)
    monkeypatch.setattr("streamer.app.check_ports", lambda options: None)
    return wanted


def test_requests_wait_for_each_other_as_long_as_they_are_told(
    run: Run, asked: list[EngineOptions]
) -> None:
    run("serve")
    run("serve", "--device", "cuda:1", "--batch-wait-ms", "3.5")
    plain, told = asked
    assert plain.batch_wait_ms == EngineOptions().batch_wait_ms
    assert (told.device, told.batch_wait_ms) == ("cuda:1", 3.5)
    result = run("serve", "--batch-wait-ms", "-1")
    assert result.exit_code == 2
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("cuda", "device", "told"),
    [
        (FakeCuda(), "cuda:1", "there is no cuda:1 on this machine; use cuda:0, or --device cpu"),
        (FakeCuda("Found no NVIDIA driver on your system."), "cuda", "use --device cpu (Found no"),
        (FakeCuda("The NVIDIA driver on your system is too old"), "cuda", "driver on your system"),
        (FakeCuda(capability=(3, 7)), "cuda:0", "Tesla K80 is too old"),
    ],
)
def test_a_card_that_is_not_there_ends_the_command_with_a_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, cuda: FakeCuda, device: str, told: str
) -> None:
    cuda.put(monkeypatch)
    monkeypatch.setattr("streamer.app.check_ports", lambda options: None)
    result = run("serve", "--device", device)
    assert result.exit_code == 1
    *_, last = result.stderr.splitlines()
    assert told in last
    assert last.startswith("error: ")


def test_what_is_no_device_is_a_wrong_option(run: Run, asked: list[EngineOptions]) -> None:
    result = run("serve", "--device", "cuda:last")
    assert (result.exit_code, asked) == (2, [])
    assert "choose cpu, cuda, or cuda:1" in result.stderr
