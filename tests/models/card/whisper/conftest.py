"""A tiny random Whisper as second listener, and sound for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.models.whisper.contract import Hearing, ListenRequest
from tests.speech_models import Clip

pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from streamer.models.card.whisper.listener import CardListener
from streamer.models.card.whisper.loading import load_card_listener
from tests.models.tiny_whisper import write_listener


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whisper")
    write_listener(folder)
    return folder


def load(folder: Path, n_sessions: int = 8) -> CardListener:
    return load_card_listener(folder, name="tiny", threads=1, device="cpu", n_sessions=n_sessions)


@pytest.fixture(scope="module")
def listener(folder: Path) -> CardListener:
    return load(folder)


@pytest.fixture(scope="module")
def sounds(clips: list[Clip]) -> list[Floats]:
    long = np.concatenate([clip.samples for clip in clips[:3]])
    return [long[at : at + n] for at, n in ((0, 70_001), (30_000, 16_000), (9_000, 99_999))]


def hear(listener: CardListener, requests: Sequence[ListenRequest]) -> list[Hearing]:
    answers = listener.hear(requests)
    assert all(isinstance(answer, Hearing) for answer in answers)
    return answers  # type: ignore[return-value]
