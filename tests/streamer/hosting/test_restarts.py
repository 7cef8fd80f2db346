"""Sessions that outlive their server, on a copy of what it left on disk; sockets in memory."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.client.transcript import Transcript
from streamer.hosting.options import ServerOptions
from streamer.protocol.errors import shutting_down
from streamer.protocol.messages import SERVER_EVENT
from tests.fakes import silence, tone
from tests.sockets import GONE, FakeSocket
from tests.streamer.hosting.bench import (
    SPEECH,
    START,
    STOP,
    Bench,
    frame,
    newest_seq,
    resume,
    send,
    texts,
    until,
    until_closed,
)


def bench_on(store: Path, **options: Any) -> Bench:
    return Bench(ServerOptions(heartbeat_s=60.0, store=store, **options))


async def killed(bench: Bench, store: Path) -> Path:
    """What the disk holds at this moment, as `kill -9` would leave it."""
    await bench.idle()
    left = store.parent / f"{store.name}-left"
    for suffix in ("", "-wal"):
        shutil.copy(f"{store}{suffix}", f"{left}{suffix}")
    await bench.close()
    return left


async def spoken(bench: Bench, offset: int = 0) -> tuple[FakeSocket, dict[str, Any]]:
    """A client that has said two seconds and stays; four words, of which three are committed."""
    socket, ready = await bench.opened(START)
    send(socket, frame(0, offset, tone(2.0)))
    await until(lambda: len(socket.of("words")) == 4)
    return socket, ready


async def test_a_client_goes_on_where_the_words_end(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    bench = bench_on(store)
    first, ready = await spoken(bench)
    left = await killed(bench, store)
    bench = bench_on(left)
    second, again = await bench.opened(resume(ready, newest_seq(first)))
    assert (again["resumed"], again["session_id"]) == (True, ready["session_id"])
    assert again["follow_id"] == ready["follow_id"]
    assert again["acknowledged_offset"] == 24_064  # behind the third word, in whole frames
    await until(lambda: second.of("segment"))
    (closed,) = second.of("segment")
    assert (closed["text"], closed["cause"]) == ("w0 w8000 w16000", "length")
    assert closed["seq"] > newest_seq(first)
    send(second, frame(0, 24_064, tone(1.0)), STOP)
    await until(lambda: second.closed)
    words = [w for e in second.of("words") for w in e["words"] if w["state"] == "committed"]
    assert [w["id"] for w in words] == [3, 4]
    assert texts(second)[1] == "w24064 w32064"
    assert second.of("segment")[1]["segment_id"] == 1
    bye = second.of("bye")[0]
    assert (bye["words"], bye["segments"], bye["received_ms"]) == (5, 2, 2_504.0)
    await bench.close()


async def test_what_was_written_and_not_told_is_told_after_the_restart(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    bench = bench_on(store)
    _, ready = await spoken(bench)
    left = await killed(bench, store)
    bench = bench_on(left)
    second, _ = await bench.opened(resume(ready, 0))
    await until(lambda: second.of("segment"))
    words = [w["text"] for e in second.of("words") for w in e["words"]]
    assert words == ["w0", "w8000", "w16000"]
    send(second, STOP)
    await until(lambda: second.closed)
    await bench.close()


async def test_what_is_acknowledged_is_on_disk(tmp_path: Path) -> None:
    bench = Bench(ServerOptions(heartbeat_s=0.01, store=tmp_path / "store.db"))
    socket, _ = await spoken(bench)
    send(socket, frame(1, 32_000, silence(0.7)))
    await until(lambda: socket.of("segment"))
    end = round(socket.of("segment")[0]["end_ms"] * 16)
    await until(lambda: _acknowledged(socket) == end)
    assert max(e["acknowledged_offset"] for e in socket.of("latency")) == end
    send(socket, frame(2, 43_200, silence(4.0)))
    await until(lambda: _acknowledged(socket) > end)
    await bench.idle()
    last = _acknowledged(socket)
    assert last <= 43_200 + 64_000 - 16_000  # a second of silence is heard again
    send(socket, STOP)
    await until(lambda: socket.closed)
    assert socket.of("latency")[-1]["acknowledged_offset"] == 43_200 + 64_000
    await bench.close()


async def test_a_server_that_owes_an_acknowledgement_is_not_silent(tmp_path: Path) -> None:
    bench = Bench(ServerOptions(heartbeat_s=0.01, store=tmp_path / "store.db"))
    socket, _ = await spoken(bench)
    await bench.idle()
    heard = len(socket.of("latency"))
    await until(lambda: len(socket.of("latency")) > heard + 5)
    send(socket, '{"type":"finalize"}')
    await until(lambda: socket.of("finalized"))
    await until(lambda: _acknowledged(socket) == 32_000)
    heard = len(socket.of("latency"))
    await asyncio.sleep(0.1)
    assert len(socket.of("latency")) <= heard + 1
    send(socket, STOP)
    await until(lambda: socket.closed)
    await bench.close()


async def test_a_restart_needs_the_secret_and_a_place(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    bench = bench_on(store)
    _, ready = await spoken(bench)
    left = await killed(bench, store)
    bench = bench_on(left, max_sessions=1)
    for wrong in (resume(ready, resume_token="guessed"), resume(ready, session_id="0" * 16)):
        _, answer = await bench.opened(wrong)
        assert answer["code"] == "session_expired"
    other, _ = await bench.opened(START)
    _, answer = await bench.opened(resume(ready))
    assert answer["code"] == "too_many_sessions"
    send(other, STOP)
    await until(lambda: other.closed)
    again, answer = await bench.opened(resume(ready))
    assert answer["resumed"]
    send(again, STOP)
    await until(lambda: again.closed)
    await bench.close()


async def test_a_session_that_cannot_go_on_here_takes_no_place(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    bench = bench_on(store)
    bench.engine.default_decoder = "fused"
    _, ready = await bench.opened('{"type":"start","decoder":"fused"}')
    left = await killed(bench, store)
    bench = bench_on(left)  # without an LLM
    _, answer = await bench.opened(resume(ready))
    assert answer["code"] == "bad_config"
    assert bench.places.taken == 0
    bench.engine.default_decoder, bench.engine.broken = "fused", True
    _, answer = await bench.opened(resume(ready))
    assert answer["code"] == "internal"
    assert bench.places.taken == 0
    await bench.close()
    assert ready["session_id"].encode() not in left.read_bytes()


async def test_an_orderly_end_keeps_what_a_parked_client_has_not_heard(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    bench = bench_on(store)
    first, ready = await spoken(bench)
    seen = newest_seq(first)
    send(first, frame(1, 32_000, tone(1.0)), GONE)
    await until(lambda: bench.value("sessions_parked") == 1)
    await bench.idle()
    bench.registry.finish(shutting_down())
    await until(lambda: bench.value("sessions_active") == 0)
    await bench.close()
    bench = bench_on(store)
    second, _ = await bench.opened(resume(ready, seen))
    await until(lambda: second.of("segment"))
    assert texts(second) == ["w0 w8000 w16000 w24000 w32000 w40000"]
    send(second, STOP)
    await until(lambda: second.closed)
    await bench.close()


async def test_followers_find_the_session_again(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    bench = bench_on(store)
    _, ready = await spoken(bench)
    left = await killed(bench, store)
    bench = bench_on(left)
    second, _ = await bench.opened(resume(ready))
    follower = await bench.follow(ready["follow_id"])
    await until(lambda: follower.of("segment"))
    assert texts(follower) == ["w0 w8000 w16000"]
    send(second, STOP)
    await until(lambda: second.closed)
    await bench.close()


async def test_the_end_of_a_session_is_the_end_of_its_words(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    bench = bench_on(store, resume_s=0.1)
    socket, _ = await spoken(bench)
    send(socket, STOP)
    await until(lambda: socket.closed)
    await until(lambda: not bench.registry._ended)
    await bench.close()
    assert b"w8000" not in store.read_bytes()


async def test_lost_audio_is_counted_once(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    bench = bench_on(store)
    first, ready = await bench.opened(START)
    # A second is missing, and another behind the last committed word.
    send(first, frame(0, 16_000, tone(2.0)))
    await until(lambda: len(first.of("words")) == 4)
    send(first, frame(1, 64_000, tone(0.1)))
    await until(lambda: len(first.of("loss")) == 2)
    left = await killed(bench, store)
    bench = bench_on(left)
    second, again = await bench.opened(resume(ready, newest_seq(first)))
    offset = again["acknowledged_offset"]
    send(second, frame(0, offset, tone((48_000 - offset) / 16_000)))
    send(second, frame(1, 64_000, tone(0.1)), STOP)
    await until(lambda: second.closed)
    assert second.of("bye")[0]["lost_samples"] == 16_000 + 16_000
    await bench.close()


async def _over_kills(kills: list[int], folder: Path, rate: int) -> tuple[Transcript, list[int]]:
    """What a client has whose server is killed behind so many events each time, and the ids of the
    committed words as they came."""
    speech = np.repeat(SPEECH, rate // 16_000)
    transcript, last_seq, ready, told = Transcript(), 0, None, list[int]()
    store = folder / "store.db"
    for n_events in [*kills, None]:
        bench = bench_on(store)
        start = f'{{"type":"start","sample_rate":{rate}}}'
        socket, ready = await bench.opened(start if ready is None else resume(ready, last_seq))
        assert ready["type"] == "ready", ready
        offset = ready["acknowledged_offset"]
        pieces = [speech[at : at + rate] for at in range(offset, len(speech), rate)]
        frames = [frame(i, offset + i * rate, piece) for i, piece in enumerate(pieces)]
        if n_events is None:
            send(socket, *frames, STOP)
            await until_closed(socket)
        else:
            send(socket, *frames[: 1 + n_events % 4])
            await until(socket.inbox.empty)
            await bench.idle()
        for event in socket.sent[1 : None if n_events is None else 1 + n_events]:
            transcript.apply(SERVER_EVENT.validate_python(event))
            last_seq = max(last_seq, event.get("seq", 0))
            if event["type"] == "words":
                told += [w["id"] for w in event["words"] if w["state"] == "committed"]
        if n_events is not None:
            store = await killed(bench, store)
        else:
            await bench.close()
    return transcript, told


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 12), max_size=4), st.sampled_from([16_000, 48_000]))
def test_kills_lose_change_and_double_no_committed_word(kills: list[int], rate: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        transcript, told = asyncio.run(_over_kills(kills, Path(folder), rate))
    assert told == list(range(len(transcript.words)))
    ends = [0.0]
    for words in transcript.segments:
        for word in words.words:
            assert word.start_ms >= ends[-1] - 32.0
            ends.append(word.end_ms)


def test_a_store_without_resuming_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="max_parked"):
        ServerOptions(store=tmp_path / "store.db", max_parked=0)


def _acknowledged(socket: FakeSocket) -> int:
    return max((event["acknowledged_offset"] for event in socket.of("latency")), default=0)
