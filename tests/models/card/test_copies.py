"""A pass goes to the card in one piece, and nobody waits for it to arrive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

import torch
import transformers

from streamer.decoding.draft import DraftRequest, Prefix, draft_together
from streamer.models.card.emotion import CardEmotion
from streamer.models.card.encoding import SlotAudio
from streamer.models.card.llm.model import CardLlm
from streamer.models.card.loading import CardModels, load_card_models
from streamer.models.card.transducer import loading as transducer_loading
from streamer.models.card.transducer.contract import HearRequest, TransducerStream
from streamer.models.card.vad import VadRequest
from streamer.models.card.whisper import loading as whisper_loading
from streamer.models.llm.contract import LlmTokenRequest
from streamer.models.llm.transformers_model import TransformersModel, read_model
from streamer.models.moonshine.contract import AudioStream, EncodeRequest
from streamer.models.moonshine.weights import read_folder, read_shipped
from streamer.models.silero import STATE_SIZE
from streamer.models.whisper.contract import Hearing, ListenRequest
from tests.models.card.far_card import FarCard, FarQueue, Sent
from tests.models.questions import score, times
from tests.models.tiny_gemma import write_tiny_gemma
from tests.models.tiny_speech import MOONSHINES
from tests.models.tiny_transducer import write_transducer
from tests.models.tiny_whisper import write_listener
from tests.speech_models import MoonshineFiles

N_SESSIONS = 3
STEP = 4_096


@pytest.fixture(scope="module")
def far() -> FarCard:
    return FarCard()


@pytest.fixture(scope="module", params=["shipped", "moonshine", "moonshine_streaming"])
def models(
    request: pytest.FixtureRequest,
    moonshine_files: MoonshineFiles,
    vad_file: Path,
    far: FarCard,
    tmp_path_factory: pytest.TempPathFactory,
) -> CardModels:
    """The shipped one, and Moonshines by name."""
    if request.param == "shipped":
        weights = read_shipped(moonshine_files.encoder, moonshine_files.decoder)
    else:
        folder = tmp_path_factory.mktemp(request.param)
        MOONSHINES[request.param](folder)
        weights = read_folder(folder, request.param, integer=False)
    return load_card_models(weights, vad_file, far, n_sessions=N_SESSIONS)


def check(run: Callable[[], object], queue: object, n_passes: int | None = None) -> None:
    """So many passes, or some, each told in one copy that nobody waits for; and nothing else."""
    assert isinstance(queue, FarQueue)
    before = queue.n_passes
    with Sent() as sent:
        run()
    taken = queue.n_passes - before
    assert taken == n_passes if n_passes else taken > 0
    assert len(sent.sizes) == taken
    assert not sent.waited


@torch.inference_mode()
def test_a_copy_is_seen_however_it_is_made(far: FarCard) -> None:
    there = torch.zeros((4, 4), device=far.device)
    array, index = np.zeros(3, np.float32), torch.tensor([1, 2])

    def copies(run: Callable[[], object]) -> tuple[bool, bool]:
        with Sent() as sent:
            run()
        return bool(sent.sizes), bool(sent.waited)

    for waits in (
        lambda: far.place(array),
        lambda: torch.from_numpy(array).to(far.device),
        lambda: there[0, :3].copy_(torch.from_numpy(array)),
        lambda: there[index],
        lambda: torch.tensor([1, 2], device=far.device),
    ):
        assert copies(waits) == (True, True)
    for goes_on in (
        lambda: torch.from_numpy(array).to(far.device, non_blocking=True),
        lambda: there[0, :3].copy_(torch.from_numpy(array), non_blocking=True),
    ):
        assert copies(goes_on) == (True, False)
    for stays in (
        lambda: torch.where(there > 1, there * 2, -1e9),
        lambda: there + torch.arange(4, device=far.device),
        lambda: there[1:].copy_(there[:3].clone()),
    ):
        assert copies(stays) == (False, False)


def test_a_step_of_the_small_models(models: CardModels) -> None:
    """Of several sessions; the second time, what was heard first is forgotten."""
    streams = [AudioStream() for _ in range(N_SESSIONS)]
    state = np.zeros((2, 1, 1, STATE_SIZE), np.float32)
    frames = [VadRequest(np.zeros((8, 576), np.float32), *state) for _ in streams]
    check(lambda: models.vad.run_together(frames), models.vad.queue, 1)
    audios: Sequence[SlotAudio | Exception | None] = []

    def encode(n_samples: int, forgotten: int) -> None:
        nonlocal audios
        sound = np.zeros(STEP, np.float32)
        audios = models.encoder.encode(
            [EncodeRequest(each, forgotten, sound, n_samples, 0, afresh=False) for each in streams]
        )

    check(lambda: encode(STEP, 0), models.speech_queue, 1)
    check(lambda: encode(2 * STEP - models.encoder.frame_samples, 1), models.speech_queue, 1)
    check(lambda: encode(2 * STEP, 3), models.speech_queue, 1)
    requests = [DraftRequest(a, Prefix(), (5, 6), 2) for a in audios if isinstance(a, SlotAudio)]
    assert len(requests) == N_SESSIONS
    check(lambda: draft_together(models.decoder, requests), models.speech_queue)


def test_emotions_of_several_lengths(far: FarCard, emotion_file: Path) -> None:
    queue = far.queue("emotion")
    emotion = CardEmotion(emotion_file, far, queue)
    windows = [np.zeros(n, np.float32) for n in (12_800, 48_000, 33_280)]
    check(lambda: emotion.probabilities_together(windows), queue, 1)


def test_a_second_listener(far: FarCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_listener(tmp_path)
    monkeypatch.setattr(whisper_loading, "Card", lambda _: far)
    listener = whisper_loading.load_card_listener(
        tmp_path, name="tiny", threads=1, device="cpu", n_sessions=N_SESSIONS
    )
    hearing, judging = listener.queues
    sounds = [np.zeros(n, np.float32) for n in (20_000, 30_000)]
    requests = [ListenRequest(sound, "en", "dom", n_best=5) for sound in sounds]
    check(lambda: listener.hear(requests), hearing)
    (heard, _) = listener.hear(requests)
    assert isinstance(heard, Hearing)
    check(lambda: score(listener, heard, ["bal bil", "dom"]), judging)
    check(lambda: times(listener, heard, "bal bil"), judging, 1)


@pytest.mark.skipif(
    not hasattr(transformers, "NemotronAsrStreamingForRNNT"),
    reason="this transformers has no streaming transducer",
)
def test_a_streaming_transducer(
    far: FarCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_transducer(tmp_path)
    monkeypatch.setattr(transducer_loading, "Card", lambda *_: far)
    model = transducer_loading.load_transducer(
        tmp_path, name="tiny", threads=1, device="cpu", look_ahead_ms=80, n_sessions=N_SESSIONS
    ).model
    sound = np.zeros(20_000, np.float32)
    check(lambda: model.hear([HearRequest(TransducerStream(), sound)]), model.queue)


def test_hypotheses_on_their_way_to_an_llm(tmp_path: Path) -> None:
    """Its passes have no queue: one for the context, one for all texts. What the library makes of
    lists of its own is none of ours."""
    write_tiny_gemma(tmp_path)
    model = TransformersModel(read_model(tmp_path, threads=1).to("meta"))
    request = LlmTokenRequest([1, 2, 3], model.new_cache(), [[4, 5, 6], [4, 7]], 1)
    with Sent() as sent, pytest.raises(RuntimeError, match="meta"):
        model.logprobs([request])  # nothing comes back from there
    assert [size for size in sent.sizes if size] == [2, 2 * 2 * 3]
    assert set(sent.waited) <= {"aten.detach_.default"}


def test_hypotheses_of_several_sessions(far: FarCard, tmp_path: Path) -> None:
    """As above. Each row has its session, two lengths, what is fed and what follows."""
    write_tiny_gemma(tmp_path)
    llm = CardLlm(read_model(tmp_path, threads=1).to("meta"), far, far.queue("llm"), N_SESSIONS)
    requests = [
        LlmTokenRequest([1, 2, 3], llm.new_cache(), [[4, 5, 6], [4, 7]], 1),
        LlmTokenRequest([1, 2, 3, 4, 5], llm.new_cache(), [[4], [5], [6, 7]], 0),
    ]
    with Sent() as sent, pytest.raises(RuntimeError, match="meta"):
        llm.logprobs(requests)
    assert [size for size in sent.sizes if size] == [2 * (3 + 2 * 4), 5 * (3 + 2 * 3)]
    assert set(sent.waited) <= {"aten.detach_.default"}
