from __future__ import annotations

import asyncio

import pytest

from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import ErrorCode
from streamer.recognition.contract import SessionOptions
from streamer.session.failure import SessionFailedError
from streamer.session.limits import SessionLimits
from streamer.session.report import Report
from streamer.transcript.events import SegmentClosed
from tests.fakes import tone
from tests.streamer.session.helpers import Bench


async def test_reports_are_counted_and_taken_to_the_last(bench: Bench) -> None:
    run = bench.runner.open(SessionOptions(), 8_000)
    done = run.start(bench.take)
    assert bench.value("sessions_total") == bench.value("sessions_active") == 1
    run.intake.audio(tone(1.0, 8_000))
    run.stop()
    await done
    assert isinstance(bench.reports[-1].event, SegmentClosed)
    assert run.stats.bye("stop").words == bench.value("words_committed_total") == 2
    assert run.session.received_samples == 16_000  # on the session clock
    await run.abort()


async def test_a_run_that_is_given_up_before_it_began_closes_its_recognizer(bench: Bench) -> None:
    run = bench.runner.open(SessionOptions(), 16_000)
    run.start(bench.take)
    run.intake.audio(tone(1.0))
    await run.abort()
    assert bench.reports == []


async def test_who_cannot_take_a_report_ends_the_session(bench: Bench) -> None:
    async def take(report: Report) -> None:
        raise ConnectionError

    run = bench.runner.open(SessionOptions(), 16_000)
    done = run.start(take)
    run.intake.audio(tone(1.0))
    with pytest.raises(ConnectionError):
        await done
    await run.session.room()  # nobody waits in it any more
    assert bench.engine.recognizers[0].closed == 1


async def test_a_broken_recognizer_is_told(bench: Bench) -> None:
    bench.engine.fail_at_step = 1
    run = bench.runner.open(SessionOptions(), 16_000)
    done = run.start(bench.take)
    run.intake.audio(tone(1.0))
    with pytest.raises(SessionFailedError):
        await done


async def test_no_recognizer_no_session(bench: Bench) -> None:
    bench.engine.broken = True
    with pytest.raises(ProtocolError) as raised:
        bench.runner.open(SessionOptions(), 16_000)
    assert raised.value.code is ErrorCode.INTERNAL
    assert bench.value("sessions_total") == 0


@pytest.mark.parametrize("recording", [True, False])
async def test_a_recording_is_held_back_and_live_audio_only_ahead_of_time(
    bench: Bench, recording: bool
) -> None:
    limits = SessionLimits(recording=recording, max_backlog_s=0.3)
    run = bench.runner.open(SessionOptions(), 16_000, limits=limits)
    bench.engine.hold.clear()
    run.start(bench.take)
    run.intake.audio(tone(1.0))
    waiting = asyncio.create_task(run.session.room())
    await asyncio.sleep(0.05)
    assert waiting.done() is not recording
    bench.engine.hold.set()
    await waiting
    await run.abort()


async def test_a_language_that_is_not_to_be_had_is_the_client_s_fault(bench: Bench) -> None:
    with pytest.raises(ProtocolError, match="language: 'fr' is not known; use auto, or") as refused:
        bench.runner.open(SessionOptions(language="fr"), 16_000)
    assert refused.value.code is ErrorCode.BAD_CONFIG
