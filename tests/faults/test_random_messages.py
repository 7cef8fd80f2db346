"""Thousands of messages that no client ought to send, to every protocol: each is answered, with an
error of a type that the client knows if it is one, and nothing of it reaches the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.dialects.wyoming.server import WyomingSocket
from streamer.protocol.errors import CLOSE_CODES, ProtocolError
from streamer.server.sender import SocketClosedError
from tests.conversations import log_records, said, talk
from tests.fakes import FakeEngine
from tests.faults.mutations import MARK, messages, mutated
from tests.sockets import FakeSocket

FAULTLESS: Final = {1000, *CLOSE_CODES.values()} - {1011}
PROTOCOLS: Final = ["deepgram", "realtime", "realtime beta", "wyoming", "native"]
SLOWLY: Final = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    made = FakeEngine()
    yield made
    made.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@SLOWLY
@given(data=st.data())
def test_whatever_comes_is_answered(engine: FakeEngine, protocol: str, data: st.DataObject) -> None:
    sent = data.draw(messages(protocol))
    with log_records() as records:
        socket = asyncio.run(talk(engine, protocol, sent))
    assert socket.closed is None or socket.closed[0] in FAULTLESS
    assert "internal" not in str(socket.sent)
    _assert_ended_well(socket)
    _assert_quiet(records)
    assert all(recognizer.closed == 1 for recognizer in engine.recognizers)
    engine.recognizers.clear()


@SLOWLY
@given(
    lines=st.lists(mutated("wyoming").map(lambda line: line.encode()) | st.binary(), max_size=5),
    rest=st.binary(max_size=100),
)
def test_whatever_comes_over_the_wyoming_port_is_cut_into_events(
    lines: list[bytes], rest: bytes
) -> None:
    async def read() -> None:
        reader = asyncio.StreamReader(limit=65_536)
        reader.feed_data(b"\n".join([*lines, rest]))
        reader.feed_eof()
        socket = WyomingSocket(reader, None, 1_000_000, lambda: None)  # type: ignore[arg-type]
        while True:
            await socket.receive()

    with log_records() as records, pytest.raises((SocketClosedError, ProtocolError)):
        asyncio.run(asyncio.wait_for(read(), 10))
    _assert_quiet(records)


def _assert_ended_well(socket: FakeSocket) -> None:
    """Who was closed for an error was told which before."""
    if socket.closed is not None and socket.closed[0] != 1000:
        assert any(event["type"].lower() == "error" for event in socket.sent)


def _assert_quiet(records: list[logging.LogRecord]) -> None:
    told = [said(record) for record in records]
    assert [text for text, record in zip(told, records, strict=True) if record.levelno > 30] == []
    assert MARK not in " ".join(told)
    assert "Traceback" not in " ".join(told)
