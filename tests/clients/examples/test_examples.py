"""The examples as people run them, against the real server with the real models."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from streamer.audio.files import read_samples
from streamer.client import StartMessage, connect
from streamer.client.bundled import bundled_speech
from streamer.client.examples import caption_microphone
from streamer.client.files import stream_samples
from streamer.recognition.engine import Engine
from streamer.transcript.wer import word_errors
from tests.borrowed_engine import BorrowedEngine
from tests.fake_audio import FakeAudio
from tests.fakes import eventually
from tests.serving import ServerThread

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
CLIP = next(clip for clip in bundled_speech() if clip.path.stem == "1029_WSI_ANG_XX")


@pytest.fixture(scope="module")
def server(engine: Engine) -> Iterator[ServerThread]:
    with ServerThread(real_engine=BorrowedEngine(engine)) as server:
        yield server


def run(name: str, *arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", f"streamer.client.examples.{name}", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert err == ""
    return out


def assert_is_the_clip(text: str) -> None:
    assert word_errors(CLIP.text, text).errors <= 1, text


def test_caption_file(server: ServerThread) -> None:
    out = ended(run("caption_file", CLIP.path, server.http_url))
    (line,) = out.splitlines()
    start, emotion, text = line.split(maxsplit=2)
    assert float(start) < 1.5
    assert emotion == "angry"
    assert_is_the_clip(text)


def test_without_asyncio(server: ServerThread) -> None:
    first, *emotions, last = ended(run("without_asyncio", CLIP.path, server.url)).splitlines()
    assert_is_the_clip(first)
    assert first == last
    # So short a clip need not be sure before it ends.
    assert {line.split()[1] for line in emotions} <= {"angry", "unknown"}
    times = [float(line.split()[0]) for line in emotions]
    assert len(times) >= 2
    assert times == sorted(set(times))


def test_a_mistake_is_one_line(server: ServerThread) -> None:
    process = run("without_asyncio", "missing.mp3", server.url)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.startswith("error: missing.mp3: cannot be read")
    assert err.count("\n") == 1


async def test_follow_session(server: ServerThread) -> None:
    async with connect(server.url, StartMessage(live=False)) as client:
        assert client.ready is not None
        assert client.ready.follow_id is not None
        follower = run("follow_session", client.ready.follow_id, server.http_url)
        joined = lambda: server.sample("streamer_followers") == 1  # noqa: E731
        await asyncio.to_thread(eventually, joined, 60)
        await stream_samples(client, read_samples(CLIP.path), 16_000, speed=0)
        await client.stop()
        out = await asyncio.to_thread(ended, follower)
    assert out.strip() == client.transcript.text
    assert_is_the_clip(out)


async def test_caption_microphone(
    server: ServerThread, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    audio = FakeAudio()
    sound = read_samples(CLIP.path)
    audio.sound = np.pad(sound, (0, 10 * 16_000 - len(sound)))
    audio.pace_s = 0.1
    monkeypatch.setattr(caption_microphone, "audio_system", lambda: audio)
    await caption_microphone.main(server.url, "5.5")
    text, emotion = capsys.readouterr().out.rstrip().rsplit(maxsplit=1)
    assert_is_the_clip(text)
    assert emotion == "(angry)"
