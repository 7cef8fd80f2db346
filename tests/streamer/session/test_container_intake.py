from __future__ import annotations

import asyncio
import io

import numpy as np
import pytest
import soundfile

from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import ErrorCode
from streamer.recognition.contract import BEGINNING, SessionOptions
from streamer.session.container_intake import ContainerIntake
from streamer.session.runner import SessionRun
from streamer.transcript.events import Finalized, SegmentClosed
from tests.fakes import silence, tone
from tests.media import encoded
from tests.streamer.session.helpers import Bench

TIMEOUT_S = 30.0


@pytest.fixture
def run(bench: Bench) -> SessionRun:
    return bench.runner.open(SessionOptions(), 16_000, container=True)


def container_of(run: SessionRun) -> ContainerIntake:
    assert run.container is not None
    return run.container


def texts(bench: Bench) -> list[str]:
    events = [report.event for report in bench.reports]
    return [event.segment.text for event in events if isinstance(event, SegmentClosed)]


async def test_what_is_in_it_is_heard(bench: Bench, run: SessionRun) -> None:
    done = run.start(bench.take)
    await container_of(run).feed(encoded(tone(1.2), "chromium.webm"))
    run.stop()
    async with asyncio.timeout(TIMEOUT_S):
        await done
    assert texts(bench) == ["w0 w8000 w16000"]
    assert bench.value("audio_seconds_total") == pytest.approx(1.2, abs=0.01)
    await run.abort()


async def test_all_that_was_fed_before_is_finalized(bench: Bench, run: SessionRun) -> None:
    done = run.start(bench.take)
    await container_of(run).feed(encoded(tone(1.2), "firefox.ogg"))
    async with asyncio.timeout(TIMEOUT_S):
        await run.finalize()
        run.stop()
        await done
    (finalized,) = (r.event for r in bench.reports if isinstance(r.event, Finalized))
    assert finalized.end_sample == pytest.approx(1.2 * 16_000, abs=1_000)
    await run.abort()


async def test_nothing_at_all_is_an_empty_session(bench: Bench, run: SessionRun) -> None:
    done = run.start(bench.take)
    run.stop()
    await done
    assert texts(bench) == []
    await run.abort()


async def test_damage_ends_the_session_behind_what_was_heard(bench: Bench, run: SessionRun) -> None:
    done = run.start(bench.take)
    await container_of(run).feed(b"samples, and no container " * 10_000)
    with pytest.raises(ProtocolError, match="if it is samples, name their encoding") as caught:
        async with asyncio.timeout(TIMEOUT_S):
            await done
    assert caught.value.code is ErrorCode.BAD_MEDIA
    await container_of(run).feed(b"more")  # nobody minds
    await run.abort()


async def test_who_gives_up_leaves_nothing_running(bench: Bench, run: SessionRun) -> None:
    run.start(bench.take)
    await container_of(run).feed(encoded(tone(1.2), "chromium.webm"))
    async with asyncio.timeout(TIMEOUT_S):
        await run.abort()


async def test_a_decoder_that_cannot_run_is_our_fault(
    bench: Bench, run: SessionRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.audio.media.live.command", lambda: ["/no/such/program"])
    done = run.start(bench.take)
    await container_of(run).feed(b"RIFF")
    with pytest.raises(ProtocolError) as caught:
        await done
    assert caught.value.code is ErrorCode.INTERNAL
    await run.abort()


def test_without_pyav_it_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.session.container_intake.can_decode", lambda: False)
    with pytest.raises(ProtocolError, match="install the extra `media`") as caught:
        bench.runner.open(SessionOptions(), 16_000, container=True)
    assert caught.value.code is ErrorCode.BAD_CONFIG


@pytest.mark.parametrize(("channels", "heard"), [(2, ["w0 w8000 w16000", "w16000"]), (1, None)])
async def test_two_channels_are_kept_apart(
    bench: Bench, channels: int, heard: list[str] | None
) -> None:
    run = bench.runner.open(SessionOptions(), 16_000, container=True, starts=(BEGINNING,) * 2)
    done = run.start(bench.take)
    sides = np.stack([tone(1.2), np.concatenate([silence(1.0), tone(0.2)])], axis=1)
    file = io.BytesIO()
    soundfile.write(file, sides[:, :channels], 16_000, format="WAV")
    await container_of(run).feed(file.getvalue())
    run.stop()
    async with asyncio.timeout(TIMEOUT_S):
        if heard is None:
            with pytest.raises(ProtocolError, match="has 1 channels, not 2"):
                await done
        else:
            await done
            assert texts(bench) == heard
    await run.abort()
