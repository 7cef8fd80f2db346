"""What PyTorch tells of the cards of other machines."""

from __future__ import annotations

import pytest


class FakeCuda:
    """Stands for `torch.cuda`, with one card."""

    def __init__(self, error: str = "", capability: tuple[int, int] = (9, 0)) -> None:
        self._error, self._capability = error, capability

    def init(self) -> None:
        if self._error:
            raise RuntimeError(self._error)

    def device_count(self) -> int:
        return 1

    def get_device_capability(self, index: int) -> tuple[int, int]:
        return self._capability

    def get_device_name(self, index: int) -> str:
        return "Tesla K80"

    def put(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """In its place."""
        torch = pytest.importorskip("torch")
        monkeypatch.setattr(torch, "cuda", self)
        monkeypatch.setattr(torch.version, "cuda", "13.0")
