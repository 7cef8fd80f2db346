"""What sessions say that come and go is what the library makes each of them say alone."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.models.errors import ModelCorruptError, NoRoomError
from tests.speech_models import Clip

pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

import torch
import transformers

from streamer.models.card.places import NoSlotError
from streamer.models.card.transducer.contract import (
    Heard,
    HearRequest,
    SpokenToken,
    TransducerStream,
)
from streamer.models.card.transducer.loading import load_transducer
from streamer.models.card.transducer.model import StreamingTransducer
from tests.models.tiny_transducer import Library, n_chunks, write_transducer

if not hasattr(transformers, "NemotronAsrStreamingForRNNT"):
    pytest.skip("this transformers has no streaming transducer", allow_module_level=True)

STEP = 4_096
NOTHING = np.zeros(0, np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("transducer")
    write_transducer(folder)
    return folder


@pytest.fixture(scope="module")
def library(folder: Path) -> Library:
    return Library(folder)


def transducer(folder: Path, look_ahead_ms: float, n_sessions: int = 3) -> StreamingTransducer:
    return load_transducer(
        folder,
        name="tiny",
        threads=1,
        device="cpu",
        look_ahead_ms=look_ahead_ms,
        n_sessions=n_sessions,
    ).model


def hear(model: StreamingTransducer, requests: list[HearRequest]) -> list[Heard]:
    answers = model.hear(requests)
    assert all(isinstance(answer, Heard) for answer in answers)
    return answers  # type: ignore[return-value]


def tokens(heard: Heard) -> list[int]:
    return [token.id for token in (*heard.tokens, *heard.at_end)]


def sounds(clips: list[Clip]) -> list[Floats]:
    """Of different lengths, none whole chunks."""
    long = np.concatenate([clip.samples for clip in clips[:2]])
    lengths = (41_000, 12_345, 60_001, 300)
    return [long[7_000 * at : 7_000 * at + n] for at, n in enumerate(lengths)]


@pytest.mark.parametrize("look_ahead", [0, 1, 3])
def test_token_for_token(
    folder: Path, library: Library, clips: list[Clip], look_ahead: int
) -> None:
    model = transducer(folder, 80 * (look_ahead + 1))
    begins = (0, 0, 2, 5)
    recordings = sounds(clips)
    streams = [TransducerStream() for _ in recordings]
    said: list[list[int]] = [[] for _ in recordings]
    for step in range(20):
        requests, places = [], []
        for at, sound in enumerate(recordings):
            first = STEP * (step - begins[at])
            if 0 <= first < len(sound):
                last = first + STEP >= len(sound)
                silence = 5_000 if last else None
                requests.append(HearRequest(streams[at], sound[first : first + STEP], silence))
                places.append(at)
        for at, heard in zip(places, hear(model, requests), strict=True):
            said[at] += tokens(heard)
    chunks = [n_chunks(len(sound), look_ahead, 5_000) for sound in recordings]
    for way in (library.streamed, library.offline):
        assert said == [
            way(sound, look_ahead, n) for sound, n in zip(recordings, chunks, strict=True)
        ]
    assert len({token for each in said for token in each}) > 5


def test_a_look_at_the_end_changes_nothing(folder: Path, clips: list[Clip]) -> None:
    model = transducer(folder, 320)
    sound = clips[0].samples[:50_000]
    plain, looked_at = TransducerStream(), TransducerStream()
    expected: list[SpokenToken] = []
    found: list[SpokenToken] = []
    for first in range(0, len(sound), STEP):
        part = sound[first : first + STEP]
        (heard,) = hear(model, [HearRequest(plain, part)])
        expected += heard.tokens
        (heard,) = hear(model, [HearRequest(looked_at, part, 0)])
        found += heard.tokens
        (again,) = hear(model, [HearRequest(looked_at, NOTHING, 0)])
        assert (again.tokens, again.at_end) == ((), heard.at_end)
    assert found == expected
    assert found
    frames = [token.frame for token in found]
    assert frames == sorted(frames)
    assert frames[-1] <= len(sound) / 1_280
    assert all(token.logprob <= 0 for token in found)


def test_a_place_is_free_again_when_its_stream_is_forgotten(folder: Path) -> None:
    model = transducer(folder, 80, n_sessions=1)
    streams = [TransducerStream() for _ in range(2)]
    requests = [HearRequest(stream, np.zeros(STEP, np.float32)) for stream in streams]
    late = HearRequest(TransducerStream(), np.zeros(STEP, np.float32))
    heard, also, refused = model.hear([*requests, late])
    assert isinstance(heard, Heard)
    assert isinstance(also, Heard)
    assert isinstance(refused, NoSlotError)
    assert "allow more sessions" in str(refused)
    del streams, requests
    gc.collect()
    assert model.slots.n_free == 2
    hear(model, [HearRequest(TransducerStream(), np.zeros(STEP, np.float32))])


def test_what_a_slot_kept_is_nothing_to_the_next_stream(folder: Path, clips: list[Clip]) -> None:
    model = transducer(folder, 80, n_sessions=1)
    sound = clips[0].samples[:30_000]

    def said() -> list[int]:
        (heard,) = hear(model, [HearRequest(TransducerStream(), sound, 100)])
        return tokens(heard)

    assert said() == said() == said()


def test_a_stream_that_is_over_hears_no_more(folder: Path) -> None:
    model = transducer(folder, 80)
    stream = TransducerStream()
    hear(model, [HearRequest(stream, NOTHING, 100)])
    with pytest.raises(ValueError, match="was heard to its end"):
        model.hear([HearRequest(stream, NOTHING)])


def test_memory_that_does_not_suffice_is_told_to_one_alone(
    folder: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass that fails may be run again, in parts: what the others say is what they say alone."""
    model = transducer(folder, 320)
    sound = clips[0].samples[:30_000]
    expected = [tokens(h) for h in hear(model, [HearRequest(TransducerStream(), sound, 100)])]
    streams = [TransducerStream() for _ in range(3)]
    inner = model._search.run
    passes = []

    def short_of_memory(rows: object, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = inner(rows, frames)  # type: ignore[arg-type]
        passes.append(len(frames))
        if streams[1].slot is not None and streams[1].slot.index in rows.slots.tolist():  # type: ignore[attr-defined]
            raise torch.OutOfMemoryError("CUDA out of memory")
        return found

    monkeypatch.setattr(model._search, "run", short_of_memory)
    requests = [HearRequest(stream, sound, 100) for stream in streams]
    first, second, third = model.hear(requests)
    assert isinstance(second, NoRoomError)
    assert isinstance(first, Heard)
    assert isinstance(third, Heard)
    assert [tokens(first), tokens(third)] == 2 * expected
    assert max(passes) > min(passes)


@pytest.mark.parametrize(
    ("wanted_ms", "given_ms"), [(10, 80), (160, 160), (500, 320), (560, 560), (9_000, 1_120)]
)
def test_the_longest_look_ahead_that_is_wanted(
    folder: Path, wanted_ms: float, given_ms: float
) -> None:
    loaded = load_transducer(
        folder, name="tiny", threads=1, device="cpu", look_ahead_ms=wanted_ms, n_sessions=1
    )
    assert loaded.look_ahead_ms == given_ms


def test_frames_of_another_length_are_refused(tmp_path: Path) -> None:
    write_transducer(tmp_path, hop_samples=200)
    with pytest.raises(ModelCorruptError, match="has frames of 1600 samples at 16000 Hz; 1280"):
        transducer(tmp_path, 80)
