"""Sessions of two channels: one order of events, over cuts, restarts and followers."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer.client.transcript import Transcript
from streamer.hosting.options import ServerOptions
from streamer.protocol.messages import SERVER_EVENT
from tests.fakes import silence, tone
from tests.sockets import GONE, FakeSocket
from tests.streamer.hosting.bench import STOP, Bench, frame, newest_seq, resume, send, until
from tests.streamer.hosting.test_restarts import bench_on, killed

START = '{"type":"start","channels":2}'
NEAR = np.concatenate([tone(1.3), silence(1.7), tone(1.0)])
FAR = np.concatenate([silence(0.5), tone(2.5), silence(1.0)])
BOTH = np.stack([NEAR, FAR], axis=1)


def transcript_of(*sockets: FakeSocket, first_word_id: int = 0) -> Transcript:
    """What a client made of all it heard; it raises if ids leave their order."""
    transcript = Transcript(first_word_id)
    for socket in sockets:
        for event in socket.sent:
            transcript.apply(SERVER_EVENT.validate_python(event))
    return transcript


def texts(transcript: Transcript, channel: int) -> list[str]:
    return [one.text for one in transcript.segments if one.channel == channel]


async def all_heard(bench: Bench, socket: FakeSocket, n_samples: int) -> None:
    """Wait until both channels have been heard up to there, and all of it has been told."""
    whole = n_samples // 8_000 * 8_000
    await until(lambda: len(bench.engine.recognizers) == 2)
    await until(lambda: all(r.processed_samples >= whole for r in bench.engine.recognizers))
    told = -1
    while told < len(socket.sent):
        told = len(socket.sent)
        await bench.idle()
        await asyncio.sleep(0.05)


async def mono(samples: np.ndarray) -> list[str]:
    bench = Bench()
    socket, _ = await bench.opened('{"type":"start"}')
    send(socket, frame(0, 0, samples), STOP)
    await until(lambda: socket.closed)
    await bench.close()
    return texts(transcript_of(socket), 0)


async def test_each_channel_says_what_it_says_alone() -> None:
    bench = Bench()
    socket, ready = await bench.opened(START)
    assert ready["channels"] == 2
    assert bench.places.taken == 2
    send(socket, frame(0, 0, BOTH[:30_000]), frame(1, 30_000, BOTH[30_000:]), STOP)
    await until(lambda: socket.closed)
    transcript = transcript_of(socket)
    assert texts(transcript, 0) == await mono(NEAR)
    assert texts(transcript, 1) == await mono(FAR)
    committed = [
        w["id"] for e in socket.of("words") for w in e["words"] if w["state"] != "tentative"
    ]
    (bye,) = socket.of("bye")
    assert committed == list(range(bye["words"]))
    assert (bye["segments"], bye["received_ms"]) == (3, 4_000.0)
    assert {e["channel"] for e in socket.of("speech")} == {0, 1}
    assert bench.value("audio_seconds_total") == 8.0
    await bench.close()


async def test_a_cut_in_the_middle_of_both_loses_nothing() -> None:
    bench = Bench()
    first, ready = await bench.opened(START)
    send(first, frame(0, 0, BOTH[:16_000]))
    await all_heard(bench, first, 16_000)
    assert {e["channel"] for e in first.of("words")} == {0, 1}
    send(first, GONE)
    await until(lambda: bench.value("sessions_parked") == 1)
    second, again = await bench.opened(resume(ready, newest_seq(first)))
    assert (again["acknowledged_offset"], again["channels"]) == (16_000, 2)
    send(second, frame(0, 16_000, BOTH[16_000:]), STOP)
    await until(lambda: second.closed)
    transcript = transcript_of(first, second)
    assert texts(transcript, 0) == await mono(NEAR)
    assert texts(transcript, 1) == await mono(FAR)
    await bench.close()


async def test_who_missed_it_all_gets_the_tails_of_both() -> None:
    bench = Bench()
    first, ready = await bench.opened(START)
    send(first, frame(0, 0, BOTH[:16_000]))
    await all_heard(bench, first, 16_000)
    send(first, GONE)
    await until(lambda: bench.value("sessions_parked") == 1)
    second, _ = await bench.opened(resume(ready))
    await until(lambda: len(transcript_of(second).open) == 2)
    spoken = {one.channel: one for one in transcript_of(second).open}
    assert [word.text for word in spoken[0].committed] == ["w0"]
    assert [word.text for word in spoken[0].tentative] == ["w8000"]
    assert [word.text for word in spoken[1].tentative] == ["w8000"]
    await bench.close()


@pytest.mark.parametrize("n_samples", [16_000, 28_000, 44_000])
async def test_after_a_restart_no_side_is_heard_twice(tmp_path: Path, n_samples: int) -> None:
    store = tmp_path / "store.db"
    bench = bench_on(store)
    first, ready = await bench.opened(START)
    send(first, frame(0, 0, BOTH[:n_samples]))
    await all_heard(bench, first, n_samples)
    left = await killed(bench, store)
    bench = bench_on(left)
    second, again = await bench.opened(resume(ready, newest_seq(first)))
    assert bench.places.taken == 2
    offset = again["acknowledged_offset"]
    send(second, frame(0, offset, BOTH[offset:]), STOP)
    await until(lambda: second.closed)
    transcript = transcript_of(first, second)
    for channel, heard in enumerate((NEAR, FAR)):
        words = [w for one in transcript.segments if one.channel == channel for w in one.words]
        times = [(round(w.start_ms * 16), round(w.end_ms * 16)) for w in words]
        assert all(end <= begin + 512 for (_, end), (begin, _) in pairwise(times))
        told = np.zeros(len(heard), bool)
        for begin, end in times:
            told[begin:end] = True
        # All that is loud was told, but for what a detector's frame passes over.
        assert (np.abs(heard) > 0.01)[~told].sum() <= 2 * 512
    await bench.close()


async def test_silence_on_one_side_is_acknowledged_with_the_other(tmp_path: Path) -> None:
    bench = Bench(ServerOptions(heartbeat_s=0.01, store=tmp_path / "store.db"))
    socket, _ = await bench.opened(START)
    loud = np.tile(np.concatenate([tone(1.0), silence(0.5)]), 4)
    send(socket, frame(0, 0, np.stack([loud[:80_000], silence(5.0)], axis=1)))
    await until(lambda: _acknowledged(socket) >= 80_000 - 16_000 - 8_000 - 16_000)
    send(socket, STOP)
    await until(lambda: socket.closed)
    await bench.close()


def _acknowledged(socket: FakeSocket) -> int:
    return max((e["acknowledged_offset"] for e in socket.of("latency")), default=0)


async def test_who_follows_from_the_middle_gets_whole_segments() -> None:
    bench = Bench(ServerOptions(heartbeat_s=60.0, followed_segments=1))
    socket, ready = await bench.opened(START)
    # The near side has ended its first two segments, the far one speaks since the first.
    send(
        socket,
        frame(
            0, 0, np.stack([np.tile(np.concatenate([tone(0.5), silence(0.5)]), 2), tone(2.0)], 1)
        ),
    )
    await all_heard(bench, socket, 32_000)
    follower = await bench.follow(ready["follow_id"])
    (following,) = follower.of("following")
    assert following["channels"] == 2
    assert following["first_word_id"] > 0
    send(socket, frame(1, 32_000, np.stack([tone(0.5), silence(0.5)], 1)), STOP)
    await until(lambda: follower.closed)
    transcript = transcript_of(follower, first_word_id=following["first_word_id"])
    assert texts(transcript, 0) == ["w16000", "w32000"]
    assert texts(transcript, 1) == ["w0 w8000 w16000 w24000"]
    await bench.close()


async def test_both_channels_need_a_place() -> None:
    bench = Bench(ServerOptions(heartbeat_s=60.0, max_sessions=3))
    await bench.opened(START)
    _, answer = await bench.opened(START)
    assert (answer["code"], bench.places.taken) == ("too_many_sessions", 2)
    await bench.opened('{"type":"start"}')
    assert bench.places.taken == 3
    await bench.close()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"channels": 3}, "channels"),
        ({"channels": 0}, "channels"),
        ({"channels": True}, "channels"),
    ],
)
async def test_other_numbers_of_channels_are_refused(settings: dict[str, Any], says: str) -> None:
    bench = Bench()
    _, answer = await bench.opened({"type": "start", **settings})
    assert answer["code"] == "bad_config"
    assert answer["message"].startswith(says)
    await bench.close()


async def test_a_gap_is_told_for_each_channel_and_half_a_frame_is_refused() -> None:
    bench = Bench()
    socket, _ = await bench.opened(START)
    send(socket, frame(0, 0, BOTH[:8_000]), frame(1, 16_000, BOTH[16_000:24_000]))
    await until(lambda: len(socket.of("loss")) == 2)
    assert [(e["channel"], e["start_ms"], e["lost_samples"]) for e in socket.of("loss")] == [
        (0, 500.0, 8_000),
        (1, 500.0, 8_000),
    ]
    send(socket, frame(2, 24_000, tone(0.1)[:1_599]))
    await until(lambda: socket.closed)
    assert "2 of them at a time" in socket.of("error")[-1]["message"]
    assert socket.of("bye")[0]["lost_samples"] == 16_000
    await bench.close()
