from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest

from streamer.protocol.errors import shutting_down
from streamer.protocol.messages import Encoding
from streamer.server.connection_state import ConnectionState, IllegalTransitionError
from streamer.transcript.written.options import WritingOptions
from tests.fakes import silence, tone
from tests.sockets import GONE
from tests.streamer.server.bench import START, STOP, Bench, until


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    await bench.registry.close(grace_s=0)
    assert [r.closed for r in bench.engine.recognizers] in ([], [1])
    assert bench.value("sessions_active") == 0
    await asyncio.to_thread(bench.engine.close)
    leftover = asyncio.all_tasks() - {asyncio.current_task()}
    assert not leftover


async def test_a_whole_session(bench: Bench) -> None:
    await bench.run(START, bench.audio(tone(1.2)), STOP)
    socket = bench.socket
    assert socket.types()[0] == "ready"
    assert socket.types()[-2:] == ["latency", "bye"]
    assert socket.of("segment")[0]["text"] == "w0 w8000 w16000"
    bye = socket.sent[-1]
    assert (bye["reason"], bye["words"], bye["segments"]) == ("stop", 3, 1)
    assert (bye["received_ms"], bye["lost_samples"]) == (1200, 0)
    assert socket.closed == (1000, "stop")
    assert bench.value("sessions_total") == 1
    assert bench.value("words_committed_total") == 3
    assert bench.value("audio_seconds_total") == pytest.approx(1.2)
    assert bench.value("stage_seconds_count", stage="encode") == 2
    assert bench.value("lag_seconds_count") == 2
    assert set(socket.of("latency")[-1]["stages_ms"]) == {
        "receive",
        "dequeue",
        "encode",
        "decode",
        "emit",
    }


async def test_what_is_configured_reaches_the_recognizer_between_its_steps(bench: Bench) -> None:
    first = '{"type":"configure","hot_words":["Higgs"],"turns":{"threshold":0.9}}'
    second = '{"type":"configure","context":"physics"}'
    await bench.run(START, bench.audio(tone(0.6)), first, second, bench.audio(tone(0.6)), STOP)
    options = bench.engine.recognizers[0].options
    assert (options.hot_words, options.context) == (("Higgs",), "physics")
    assert options.turns is not None
    assert (options.turns.threshold, options.turns.eager_threshold) == (0.9, None)
    assert bench.socket.types()[-1] == "bye"
    assert "error" not in bench.socket.types()


async def test_a_wrong_configuration_ends_the_session(bench: Bench) -> None:
    wrong = '{"type":"configure","turns":{"threshold":7}}'
    await bench.run(START, bench.audio(tone(0.6)), wrong)
    (error,) = bench.socket.of("error")
    assert (error["code"], error["fatal"]) == ("bad_message", True)
    assert error["message"].startswith("turns.threshold: ")


async def test_settings_reach_the_recognizer(bench: Bench) -> None:
    start = {
        "type": "start",
        "context": "physics",
        "hot_words": ["Higgs"],
        "emotion": False,
        "decoder": "draft",
        "sample_rate": 48_000,
        "encoding": "pcm_f32le",
        "numbers": True,
        "profanity_filter": True,
        "redact": ["pci", "ssn"],
    }
    audio = bench.audio(tone(1.0, 48_000), Encoding.PCM_F32LE)
    await bench.run(json.dumps(start), audio, STOP)
    options = bench.engine.recognizers[0].options
    assert (options.decoder, options.context, options.hot_words) == ("draft", "physics", ("Higgs",))
    assert options.writing == WritingOptions(
        numbers=True, profanity_filter=True, redact=frozenset({"pci", "ssn"})
    )
    assert bench.socket.of("emotion") == []
    assert bench.socket.of("segment")[0]["emotion"] is None
    assert bench.socket.of("bye")[0]["received_ms"] == 1000


async def test_finalize_closes_a_segment_and_the_rest_is_another(bench: Bench) -> None:
    first, second = bench.audio(tone(0.6)), bench.audio(tone(0.6))
    await bench.run(START, first, '{"type":"finalize"}', second, STOP)
    assert [s["text"] for s in bench.socket.of("segment")] == ["w0 w8000", "w9600 w17600"]


async def test_gap_and_bad_samples_keep_the_clock_true(bench: Bench) -> None:
    start = '{"type":"start","encoding":"pcm_f32le","sample_rate":44100}'
    f32 = Encoding.PCM_F32LE
    messages = [start, bench.audio(tone(0.5, 44_100), f32)]
    bench.audio(tone(0.3, 44_100), f32)  # lost on the way
    messages.append(bench.audio(tone(0.2, 44_100), f32))
    messages.append(bench.audio(np.full(22_050, np.nan, np.float32), f32))
    messages.append(bench.audio(tone(0.5, 44_100), f32))
    await bench.run(*messages, STOP)
    assert [e["code"] for e in bench.socket.of("error")] == ["sequence_gap", "bad_samples"]
    losses = bench.socket.of("loss")
    assert [e["reason"] for e in losses] == ["gap", "bad_samples"]
    assert [e["start_ms"] for e in losses] == pytest.approx([500, 1000], abs=0.1)
    assert [e["lost_samples"] for e in losses] == pytest.approx([4800, 8000], abs=1)
    bye = bench.socket.of("bye")[0]
    assert bye["received_ms"] == pytest.approx(2000, abs=0.1)
    assert bye["lost_samples"] == pytest.approx(12_800, abs=2)
    assert bench.value("lost_samples_total", reason="gap") == pytest.approx(4800, abs=1)
    assert bench.socket.closed == (1000, "stop")


async def test_a_second_start_is_an_error_but_not_the_end(bench: Bench) -> None:
    await bench.run(START, START, bench.audio(tone(0.6)), STOP)
    (error,) = bench.socket.of("error")
    assert (error["code"], error["fatal"]) == ("already_started", False)
    assert bench.socket.of("segment")[0]["text"] == "w0 w8000"


@pytest.mark.parametrize(
    ("message", "code", "close"),
    [
        ("hello", "bad_message", 4400),
        ('{"type":"start","volume":1}', "bad_config", 4400),
        ('{"type":"start","decoder":"fused"}', "bad_config", 4400),
        ('{"type":"stop"}', "not_started", 4400),
        (b"SA", "not_started", 4400),
        ("x" * 2_000_000, "message_too_large", 1009),
    ],
)
async def test_no_session_begins_with_an_error(
    bench: Bench, message: str | bytes, code: str, close: int
) -> None:
    await bench.run(message)
    assert [(e["type"], e["code"], e["fatal"]) for e in bench.socket.sent] == [
        ("error", code, True)
    ]
    assert bench.socket.closed == (close, code)
    assert bench.value("sessions_rejected_total", code=code) == 1
    assert bench.engine.recognizers == []


@pytest.mark.parametrize(
    ("message", "code", "close"),
    [
        ("UklGRg==", "bad_message", 4400),
        (b"SA", "bad_frame", 4400),
        (bytes(2_000_000), "message_too_large", 1009),
    ],
)
async def test_a_fatal_error_comes_after_what_was_said(
    bench: Bench, message: str | bytes, code: str, close: int
) -> None:
    await bench.run(START, bench.audio(tone(0.7)), message, bench.audio(tone(5.0)))
    assert bench.socket.of("segment")[0]["text"] == "w0 w8000"
    assert bench.socket.types()[-2:] == ["error", "bye"]
    assert bench.socket.of("error")[0]["code"] == code
    assert bench.socket.of("bye")[0]["reason"] == code
    assert bench.socket.closed == (close, code)
    assert bench.value("errors_total", code=code) == 1


async def test_a_flood_of_tiny_messages_is_cut(bench: Bench) -> None:
    bench.options = replace(bench.options, max_messages_per_s=1.0)
    tiny = [bench.audio(tone(0.001)) for _ in range(50)]
    await bench.run(START, *tiny)
    assert bench.socket.of("error")[0]["code"] == "rate_limited"
    assert bench.socket.closed == (4429, "rate_limited")


async def test_large_frames_are_never_too_many(bench: Bench) -> None:
    bench.options = replace(bench.options, max_messages_per_s=1.0)
    await bench.run(START, *[bench.audio(tone(0.02)) for _ in range(100)], STOP)
    assert bench.socket.of("error") == []


@pytest.mark.parametrize("messages", [(), (START,)])
async def test_silence_on_the_socket_ends_it(bench: Bench, messages: tuple[str, ...]) -> None:
    bench.options = replace(bench.options, idle_timeout_s=0.05, first_message_timeout_s=0.05)
    await bench.run(*messages)
    assert bench.socket.of("error")[0]["code"] == "idle_timeout"
    assert bench.socket.closed == (4408, "idle_timeout")


async def test_heartbeats_while_audio_flows_and_not_without(bench: Bench) -> None:
    task = asyncio.create_task(bench.run(START, bench.audio(tone(0.1))))
    await until(lambda: bench.socket.of("latency"))
    await asyncio.sleep(0.1)
    assert len(bench.socket.of("latency")) == 1
    bench.send(bench.audio(tone(0.1)))
    await until(lambda: len(bench.socket.of("latency")) == 2)
    bench.send(STOP)
    await task
    assert bench.socket.of("latency")[1]["received_ms"] == 200


async def test_a_client_that_leaves_mid_word(bench: Bench) -> None:
    await bench.run(START, bench.audio(tone(0.7)), GONE)
    assert bench.socket.closed is None


async def test_a_client_that_leaves_while_events_are_sent(bench: Bench) -> None:
    task = asyncio.create_task(bench.run(START, bench.audio(silence(0.1))))
    await until(lambda: bench.socket.sent)
    bench.socket.gone = True
    bench.send(bench.audio(tone(5.0)))
    await task
    assert bench.socket.closed is None


async def test_a_client_that_does_not_read_is_dropped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.server.sender._CLOSE_TIMEOUT_S", 0.01)
    bench.options = replace(bench.options, send_timeout_s=0.05)
    task = asyncio.create_task(bench.run(START))
    await until(lambda: bench.socket.sent)
    bench.socket.readable.clear()
    bench.send(bench.audio(tone(1.0)))
    await task
    assert bench.socket.types() == ["ready"]


async def test_a_close_that_nobody_takes_is_given_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.server.sender._CLOSE_TIMEOUT_S", 0.01)
    send = bench.socket.send

    async def send_and_stick(text: str) -> None:
        await send(text)
        if "bye" in text:
            bench.socket.readable.clear()

    monkeypatch.setattr(bench.socket, "send", send_and_stick)
    await bench.run(START, STOP)
    assert bench.socket.closed is None


async def test_shutdown_flushes_and_says_so(bench: Bench) -> None:
    connection = bench.connection()
    task = asyncio.create_task(connection.run())
    bench.send(START, bench.audio(tone(0.7)))
    await until(lambda: bench.socket.of("words"))
    connection.interrupt(shutting_down())
    await task
    assert bench.socket.of("segment")[0]["text"] == "w0 w8000"
    assert bench.socket.of("error")[0]["code"] == "shutting_down"
    assert bench.socket.of("bye")[0]["reason"] == "shutdown"
    assert bench.socket.closed == (1001, "shutdown")


async def test_shutdown_before_the_first_message(bench: Bench) -> None:
    connection = bench.connection()
    connection.interrupt(shutting_down())
    await connection.run()
    assert bench.socket.types() == ["error"]
    assert bench.socket.closed == (1001, "shutting_down")


async def test_a_recognizer_that_breaks(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.engine.fail_at_step = 2
    with caplog.at_level(logging.ERROR):
        await bench.run(START, bench.audio(tone(1.5)))
    assert bench.socket.of("words")
    assert bench.socket.of("error")[0]["code"] == "internal"
    assert "start a new session" in bench.socket.of("error")[0]["message"]
    assert bench.socket.closed == (1011, "internal")
    assert "the recognizer failed: ValueError < tests/fakes.py:" in caplog.text
    assert "told to break" not in caplog.text  # a message may hold what a client sent


async def test_a_recognizer_that_cannot_be_made(bench: Bench) -> None:
    bench.engine.broken = True
    await bench.run(START)
    assert bench.socket.of("error")[0]["code"] == "internal"
    assert "memory" not in bench.socket.of("error")[0]["message"]


async def test_reading_that_breaks(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.engine.accept_fails = True
    await bench.run(START, bench.audio(tone(0.5)))
    assert bench.socket.of("error")[0]["code"] == "internal"
    assert "reading failed: ValueError < tests/fakes.py:" in caplog.text
    assert "accept is broken" not in caplog.text


async def test_a_fast_recording_is_held_back_not_lost(bench: Bench) -> None:
    bench.options = replace(bench.options, buffer_s=10.0)
    bench.engine.buffer_s = 10.0
    frames = [bench.audio(tone(0.5)) for _ in range(120)]
    await bench.run('{"type":"start","live":false}', *frames, STOP)
    bye = bench.socket.of("bye")[0]
    assert (bye["lost_samples"], bye["words"]) == (0, 120)


async def test_slow_live_captions_lose_audio_and_say_so(bench: Bench) -> None:
    """Without loss the captions would fall behind without end."""
    bench.engine.buffer_s = 1.0
    task = asyncio.create_task(bench.run(START, bench.audio(tone(1.2))))
    await until(lambda: bench.socket.of("words"))
    with bench.engine.occupied():
        bench.send(bench.audio(tone(3.0)))
        await until(lambda: bench.engine.recognizers[0].lost_samples)
    bench.send(STOP)
    await task
    lost = sum(event["lost_samples"] for event in bench.socket.of("loss"))
    assert lost == bench.socket.of("bye")[0]["lost_samples"] > 0


async def test_states_do_not_go_backwards(bench: Bench) -> None:
    connection = await bench.run(START, STOP)
    with pytest.raises(IllegalTransitionError, match="closed → streaming"):
        connection._move(ConnectionState.STREAMING)
