"""Containers that come in pieces, as slowly or quickly as they like."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from streamer.audio.media.live import LiveDecoder
from streamer.audio.media.worker.messages import DecodingError
from tests.fakes import tone
from tests.media import INDEX_LAST, KINDS, encoded

TIMEOUT_S = 30.0
LIVE = [name for name in KINDS if name not in INDEX_LAST]


class Stream:
    """A decoder that runs, and what was heard of it."""

    def __init__(self) -> None:
        self.decoder = LiveDecoder()
        self.blocks: list[npt.NDArray[np.float32]] = []
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.running = asyncio.create_task(self.decoder.run(self._take))

    async def _take(self, samples: npt.NDArray[np.float32]) -> None:
        await self.flowing.wait()
        self.blocks.append(samples)

    @property
    def heard_s(self) -> float:
        return sum(len(block) for block in self.blocks) / 16_000

    async def feed(self, data: bytes, n_bytes: int) -> None:
        for at in range(0, len(data), n_bytes):
            await self.decoder.feed(data[at : at + n_bytes])

    async def end(self) -> npt.NDArray[np.float32]:
        self.decoder.end()
        async with asyncio.timeout(TIMEOUT_S):
            await self.running
        return np.concatenate(self.blocks)


@pytest.mark.parametrize("name", LIVE)
async def test_what_comes_in_pieces_is_heard_whole(name: str) -> None:
    stream = Stream()
    await stream.feed(encoded(tone(3.0), name), 997)
    heard = await stream.end()
    assert len(heard) == pytest.approx(48_000, abs=1_600)
    assert np.sqrt(np.square(heard[8_000:40_000]).mean()) == pytest.approx(0.212, abs=0.02)


@pytest.mark.parametrize("name", ["chromium.webm", "firefox.ogg", "safari.mp4", "talk.mp3"])
async def test_it_is_heard_while_it_comes(name: str) -> None:
    """Nothing more comes than half of it, and yet most of that half is there."""
    data = encoded(tone(10.0), name)
    stream = Stream()
    await stream.feed(data[: len(data) // 2], 1_000)
    async with asyncio.timeout(TIMEOUT_S):
        await stream.decoder.used_up()
    assert 3.5 < stream.heard_s < 5.5
    await stream.end()


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ULAW", "ALAW"])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX"])
async def test_wav_is_heard_from_its_first_tenth_of_a_second(kind: str, subtype: str) -> None:
    """And beyond the length that its header tells."""
    file = io.BytesIO()
    sound = np.stack([tone(3.0, 8_000)] * 2, axis=1)
    soundfile.write(file, sound, 8_000, format=kind, subtype=subtype)
    data = bytearray(file.getvalue())
    at = data.index(b"data") + 4
    data[at : at + 4] = b"\0\0\0\0"
    stream = Stream()
    await stream.feed(bytes(data[: len(data) // 20]), 100)
    async with asyncio.timeout(TIMEOUT_S):
        await stream.decoder.used_up()
    assert stream.heard_s > 0
    await stream.feed(bytes(data[len(data) // 20 :]), 997)
    heard = await stream.end()
    assert len(heard) == pytest.approx(48_000, abs=50)
    assert np.sqrt(np.square(heard).mean()) == pytest.approx(0.212, abs=0.01)


async def test_channels_are_mixed() -> None:
    both = np.stack([tone(1.0), -tone(1.0)], axis=1)
    stream = Stream()
    await stream.feed(encoded(both, "talk.wav", layout="stereo"), 1_000)
    assert np.abs((await stream.end())[8_000:]).max() > 0.2


async def test_who_does_not_listen_holds_back_who_sends() -> None:
    data = encoded(np.tile(tone(10.0), 6), "talk.wav")
    stream = Stream()
    stream.flowing.clear()
    feeding = asyncio.create_task(stream.feed(data, 10_000))
    await asyncio.wait({feeding}, timeout=1.0)
    assert not feeding.done()
    stream.flowing.set()
    await feeding
    assert len(await stream.end()) == pytest.approx(60 * 16_000, abs=100)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"samples without a container" * 10_000, "is not audio that can be read"),
        (b"", "is empty"),
        (encoded(tone(1.0), "talk.m4a"), "this mp4 has its index at the end"),
        (encoded(tone(1.0), "phone.m4a")[:600], "can be read|cannot be decoded|holds no audio"),
    ],
)
async def test_what_cannot_be_heard_is_told(data: bytes, message: str) -> None:
    stream = Stream()
    await stream.feed(data, 5_000)
    with pytest.raises(DecodingError, match=message):
        await stream.end()
    await stream.decoder.feed(b"more")  # nobody minds
    await stream.decoder.used_up()


async def test_samples_sent_by_mistake_are_noticed_soon() -> None:
    """Long before they end: 16 kHz, 16 bits, two seconds or so."""
    stream = Stream()
    data = (tone(60.0) * 32_767).astype("<i2").tobytes()
    await stream.feed(data[:200_000], 3_200)
    with pytest.raises(DecodingError, match="is not audio"):
        await asyncio.wait_for(stream.running, TIMEOUT_S)


async def test_damage_is_passed_over_as_radios_have_it() -> None:
    data = bytearray(encoded(tone(10.0), "talk.mp3"))
    data[len(data) // 2 : len(data) // 2 + 2_000] = bytes(2_000)
    stream = Stream()
    await stream.feed(bytes(data), 1_000)
    assert len(await stream.end()) > 9 * 16_000


async def test_giving_up_ends_the_process() -> None:
    stream = Stream()
    await stream.feed(encoded(tone(3.0), "chromium.webm"), 1_000)
    process = stream.decoder._process
    assert process is not None
    assert Path(f"/proc/{process.pid}").exists()
    stream.running.cancel()
    await asyncio.wait({stream.running})
    assert process.returncode is not None


async def test_a_decoder_that_dies_is_told() -> None:
    stream = Stream()
    await stream.decoder.feed(encoded(tone(3.0), "chromium.webm")[:4_000])
    assert stream.decoder._process is not None
    stream.decoder._process.kill()
    with pytest.raises(DecodingError, match="the decoder broke on it: it is damaged"):
        await stream.running
