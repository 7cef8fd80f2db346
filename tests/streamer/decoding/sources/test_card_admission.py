"""Who is let in on a card, and who goes when its memory is short; on a CPU, by the card's classes,
behind a real server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.app import ServerOptions
from streamer.client import Client, ServerRefusedError, StartMessage, connect
from streamer.protocol.messages import Encoding, WordsEvent
from streamer.recognition.engine import Engine, EngineOptions
from tests.fakes import eventually
from tests.serving import ServerThread
from tests.speech_models import Clip

pytest.importorskip("torch", reason="PyTorch is not installed")

import torch

from streamer.decoding.sources.card_speech import CardSpeech
from streamer.models.card import device as device_module
from streamer.models.card.device import Card
from streamer.models.card.encoder import CardEncoder
from streamer.models.card.loading import slots_of
from streamer.models.moonshine.contract import EncodeRequest
from streamer.models.store.catalog import EMOTION

OPTIONS = EngineOptions(batched=True, llm=False, latency="low", max_sessions=1, emotion_model=None)
START = StartMessage(encoding=Encoding.PCM_F32LE, emotion=False, live=False)
MORE = ServerOptions(max_sessions=8)
"""Places than the card has."""


@pytest.fixture
def engine() -> Iterator[Engine]:
    yield (loaded := Engine.load(OPTIONS))
    loaded.close()


async def speaks(client: Client, clip: Clip) -> None:
    """Has a segment open, with words."""
    await client.send_audio(clip.samples[:40_000])
    async for event in client:
        if isinstance(event, WordsEvent):
            return


async def says(client: Client, clip: Clip) -> str:
    """Hear it to its end."""
    await client.send_audio(clip.samples[40_000:])
    await client.stop()
    return client.transcript.text


async def test_who_finds_no_place_on_the_card_is_refused_and_the_others_live(
    engine: Engine, clips: list[Clip]
) -> None:
    with ServerThread(MORE, real_engine=engine) as server:
        async with connect(server.url, START) as first, connect(server.url, START) as second:
            await speaks(first, clips[0])
            await speaks(second, clips[1])
            with pytest.raises(ServerRefusedError) as refused:
                await connect(server.url, START).__aenter__()
            assert refused.value.code == "too_many_sessions"
            assert "all 2 places on the card are taken; allow more" in refused.value.message
            assert server.server.places.taken == 2
            assert await says(first, clips[0])
            assert await says(second, clips[1])
        assert isinstance(engine.speech, CardSpeech)
        pools = engine.speech.models.pools
        await asyncio.to_thread(eventually, lambda: pools.n_free == 2)
        async with connect(server.url, START) as third:
            await speaks(third, clips[0])


async def test_who_finds_no_place_for_an_llms_context_is_refused_and_the_others_live(
    clips: list[Clip], tmp_path: Path
) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    from tests.models.tiny_gemma import write_tiny_gemma

    write_tiny_gemma(tmp_path)
    engine = Engine.load(replace(OPTIONS, llm=True, llm_model=str(tmp_path)))
    assert engine.llm is not None
    slots = engine.llm.model.slots  # type: ignore[attr-defined]
    with ServerThread(MORE, real_engine=engine) as server:
        async with connect(server.url, START) as first:
            await speaks(first, clips[0])
            held = [slots.take() for _ in range(slots.n_free)]
            with pytest.raises(ServerRefusedError, match="places on the card are taken") as refused:
                await connect(server.url, START).__aenter__()
            assert refused.value.code == "too_many_sessions"
            held.pop()  # the first may have none yet
            assert await says(first, clips[0])
        await asyncio.to_thread(eventually, lambda: slots.n_free == slots.n_slots - len(held))
        async with connect(server.url, START) as second:
            await speaks(second, clips[1])
    engine.close()


async def test_whom_the_card_has_no_memory_for_ends_alone(
    engine: Engine, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = CardEncoder._pass
    assert isinstance(engine.speech, CardSpeech)
    with ServerThread(MORE, real_engine=engine) as server:
        async with connect(server.url, START) as poor, connect(server.url, START) as other:
            await speaks(poor, clips[0])
            (kept,) = engine.speech.models.encoder._kept.values()
            slot = kept.slot.index

            def short(self: CardEncoder, words: torch.Tensor, n_rows: int, *sizes: int) -> object:
                if n_rows > 1 or slot in words.view(n_rows, -1)[:, 0]:
                    raise torch.OutOfMemoryError("CUDA out of memory")
                return whole(self, words, n_rows, *sizes)

            monkeypatch.setattr(CardEncoder, "_pass", short)
            await speaks(other, clips[1])
            with pytest.raises(ServerRefusedError, match="card has no memory left and this"):
                await says(poor, clips[0])
            assert await says(other, clips[1])


async def test_nobody_is_let_in_while_a_card_is_behind(
    engine: Engine, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, goes_on = CardEncoder.encode, threading.Event()

    def slow(self: CardEncoder, requests: Sequence[EncodeRequest]) -> object:
        goes_on.wait(20)
        return whole(self, requests)

    options = ServerOptions(max_sessions=8, refuse_lag_ms=50)
    with ServerThread(options, real_engine=engine) as server:
        async with connect(server.url, START.model_copy(update={"live": True})) as first:
            monkeypatch.setattr(CardEncoder, "encode", slow)
            await first.send_audio(clips[0].samples)
            await asyncio.to_thread(eventually, lambda: server.server.places.overdue_ms() > 50)
            with pytest.raises(ServerRefusedError, match="the machine is behind"):
                await connect(server.url, START).__aenter__()
            goes_on.set()
            await first.stop()
            assert first.transcript.text


async def test_every_card_has_an_engine_of_its_own(
    clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each opens its models on its card alone; where one has no room, the other still has."""
    opened: list[str] = []

    class Named(Card):
        """A CPU by the name of a card."""

        def __init__(self, device: str, dtype: torch.dtype | None = None) -> None:
            opened.append(device)
            super().__init__("cpu", dtype)

    monkeypatch.setattr(device_module, "Card", Named)
    engines = [
        Engine.load(replace(OPTIONS, device=device, emotion_model=EMOTION.name))
        for device in ("cuda:0", "cuda:1")
    ]
    assert opened == ["cuda:0", "cuda:0", "cuda:1", "cuda:1"]  # speech, emotion
    first, second = (engine.speech for engine in engines)
    assert isinstance(first, CardSpeech)
    assert isinstance(second, CardSpeech)
    held = [first.models.pools.take() for _ in range(slots_of(OPTIONS.max_sessions))]
    with (
        ServerThread(MORE, real_engine=engines[0]) as full,
        ServerThread(MORE, real_engine=engines[1]) as free,
    ):
        with pytest.raises(ServerRefusedError, match="places on the card are taken"):
            await connect(full.url, START).__aenter__()
        async with connect(free.url, START) as client:
            await speaks(client, clips[0])
            assert await says(client, clips[0])
    assert len(held) == 2
