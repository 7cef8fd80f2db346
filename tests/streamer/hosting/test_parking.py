"""Sessions that wait to be resumed, and the places they hold; sockets in memory."""

from __future__ import annotations

from typing import Any

from streamer.hosting.options import ServerOptions
from tests.fakes import tone
from tests.sockets import GONE
from tests.streamer.hosting.bench import (
    SPEECH,
    START,
    STOP,
    Bench,
    frame,
    parked,
    resume,
    send,
    until,
    until_closed,
)


async def test_parked_sessions_expire() -> None:
    bench = Bench(ServerOptions(resume_s=0.05))
    ready = await parked(bench)
    await until(lambda: bench.places.taken == 0)
    _, answer = await bench.opened(resume(ready))
    assert answer["code"] == "session_expired"
    assert "start a new one" in answer["message"]
    await bench.close()


async def test_a_client_that_slept_goes_on() -> None:
    bench = Bench(ServerOptions(idle_timeout_s=0.2, heartbeat_s=60.0))
    socket, ready = await bench.opened(START)
    send(socket, frame(0, 0, SPEECH[:16_000]))
    await until(lambda: bench.value("sessions_parked") == 1)
    assert socket.closed == (4408, "idle_timeout")
    assert (bench.places.taken, socket.of("bye")) == (1, [])
    awake, answer = await bench.opened(resume(ready, last_seq=socket.sent[-2].get("seq", 0)))
    assert (answer["resumed"], answer["acknowledged_offset"]) == (True, 16_000)
    send(awake, frame(0, 16_000, SPEECH[16_000:]), STOP)
    await until(lambda: awake.closed)
    assert awake.of("bye")[0]["lost_samples"] == 0
    assert awake.of("bye")[0]["received_ms"] == len(SPEECH) / 16
    await bench.close()


async def answers(bench: Bench, readies: list[dict[str, Any]]) -> list[str]:
    found = []
    for ready in readies:
        _, answer = await bench.opened(resume(ready))
        found.append(answer.get("code", answer["type"]))
    return found


async def test_strangers_do_not_push_a_parked_session_out() -> None:
    bench = Bench(ServerOptions(max_sessions=20, max_parked=4))
    mine = await parked(bench, "mine")
    strangers = [await parked(bench, "stranger") for _ in range(8)]
    assert await answers(bench, [mine, strangers[0], strangers[-1]]) == [
        "ready",
        "session_expired",
        "ready",
    ]
    await bench.close()


async def test_of_one_clients_parked_sessions_the_one_with_least_to_lose_goes() -> None:
    bench = Bench(ServerOptions(max_sessions=20, max_parked=2))
    seconds = [3.1, 1.1, 2.1]
    readies = [await parked(bench, "all", each) for each in seconds]
    assert await answers(bench, readies) == ["ready", "session_expired", "ready"]
    await bench.close()


async def test_few_sessions_are_parked_and_keep_their_places() -> None:
    bench = Bench(ServerOptions(max_sessions=3, max_parked=2))
    readies = [await parked(bench) for _ in range(3)]
    await until(lambda: bench.places.taken == 2)
    await bench.opened(START)
    _, answer = await bench.opened(START)
    assert answer["code"] == "too_many_sessions"
    answers = [(await bench.opened(resume(ready)))[1] for ready in readies]
    assert [answer["type"] for answer in answers] == ["error", "ready", "ready"]
    await bench.close()


async def test_nobody_is_let_in_while_the_machine_is_behind() -> None:
    bench = Bench(ServerOptions(refuse_lag_ms=50))
    socket, _ = await bench.opened(START)
    _, ready = await bench.opened(START)
    assert ready["type"] == "ready"
    bench.engine.hold.clear()
    for parts in (socket, (await bench.opened(START))[0]):
        send(parts, frame(0, 0, tone(0.6)))
    await until(lambda: bench.places.overdue_ms() > 50)
    _, answer = await bench.opened(START)
    assert (answer["type"], answer["code"]) == ("error", "too_many_sessions")
    assert "behind" in answer["message"]
    bench.engine.hold.set()
    await bench.idle()
    _, answer = await bench.opened(START)
    assert answer["type"] == "ready"
    await bench.close()


async def test_a_server_may_offer_no_resume() -> None:
    bench = Bench(ServerOptions(max_parked=0))
    socket, ready = await bench.opened(START)
    assert ready["resume_token"] is None
    send(socket, GONE)
    await until(lambda: bench.places.taken == 0)
    await bench.close()


async def test_ended_sessions_are_remembered_in_bounds() -> None:
    bench = Bench(ServerOptions(max_sessions=2))
    readies = []
    for _ in range(4):
        socket, ready = await bench.opened(START)
        send(socket, STOP)
        await until_closed(socket)
        readies.append(ready)
    answers = [(await bench.opened(resume(ready)))[1]["type"] for ready in readies]
    assert answers == ["error", "error", "ready", "ready"]
    await bench.close()
