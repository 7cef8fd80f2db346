"""What several test folders share: recordings, and one engine with the real models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

import streamer.models  # noqa: F401  (before anything imports ONNX Runtime, see there)
from streamer.models.onnx.runtime import calm_openmp

if TYPE_CHECKING:
    from streamer.recognition.engine import Engine

# Whether a busy machine is slow says nothing about the code.
settings.register_profile("whole", deadline=None)
settings.register_profile("fast", max_examples=10, deadline=None)
settings.load_profile("whole")

ROOT = Path(__file__).parents[1]


def pytest_configure() -> None:
    """Before a test imports torch: several workers' threads that spin starve each other."""
    calm_openmp()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of few tests first: theirs are the long ones, for which all workers would wait in the
    end."""
    counts = Counter(item.path for item in items)
    items.sort(key=lambda item: (counts[item.path], item.path))


@pytest.fixture(scope="session")
def bundled_speech() -> Path:
    """The folder of recordings that the project ships, with its `manifest.jsonl`."""
    return ROOT / "clients" / "speech"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recordings that only development machines have."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the development recordings are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The real models, loaded once a run. Tests must not close it."""
    from streamer.recognition.engine import Engine, EngineOptions

    loaded = Engine.load(EngineOptions(device="cpu", threads=2, llm=True, latency="low"))
    yield loaded
    loaded.close()
