"""What the commands make of graphics cards."""

from __future__ import annotations

from typing import Any

import pytest

from streamer.models.onnx.runtime import DeviceUnavailableError
from streamer.recognition.engine import Engine, EngineOptions
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
