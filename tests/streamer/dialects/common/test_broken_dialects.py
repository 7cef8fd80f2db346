"""A dialect with a fault in it: its client is told so and closed, and the log has one line that
holds nothing of what the client said."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streamer.dialects.common.dialect import Action, Audio, Close, EndSession, StartSession
from streamer.protocol.errors import ProtocolError
from streamer.recognition.contract import SessionOptions
from streamer.session.report import Report
from tests.conversations import log_records, said, talk
from tests.fakes import FakeEngine, tone

SECRET = "Quetzalcoatl"
PLACES = ["on_connect", "on_message", "on_event", "on_end", "on_error", "close_code"]


class BrokenDialect:
    def __init__(self, *places: str) -> None:
        self._places = places

    def on_connect(self) -> Iterator[Action]:
        self._break("on_connect")
        yield StartSession(16_000, SessionOptions())

    def on_message(self, message: str | bytes) -> Iterator[Action]:
        yield Audio(tone(1.0))
        self._break("on_message")
        if "on_error" in self._places or "close_code" in self._places:
            raise KeyError(SECRET)
        yield from (EndSession(), Close())

    def on_event(self, report: Report, channel: int) -> Iterator[str]:
        self._break("on_event")
        yield '{"type": "event"}'

    def on_end(self, received_samples: int) -> Iterator[str]:
        self._break("on_end")
        yield '{"type": "end"}'

    def on_error(self, error: ProtocolError) -> Iterator[str]:
        self._break("on_error")
        yield f'{{"type": "error", "code": "{error.code.value}"}}'

    def close_code(self, error: ProtocolError) -> int:
        self._break("close_code")
        return 1011

    def _break(self, place: str) -> None:
        if place in self._places:
            raise KeyError(SECRET)


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    made = FakeEngine()
    yield made
    made.close()


@pytest.mark.parametrize("place", PLACES)
async def test_a_fault_is_told_and_logged_in_one_line(engine: FakeEngine, place: str) -> None:
    with log_records() as records:
        socket = await talk(engine, BrokenDialect(place), [SECRET])
    assert socket.closed == (1011, "internal")
    if place not in ("on_error", "close_code"):  # then there is no more to say
        assert socket.of("error") == [{"type": "error", "code": "internal"}]
    errors = [record for record in records if record.levelname == "ERROR"]
    assert 1 <= len(errors) <= (2 if place in ("on_error", "close_code") else 1)
    for record in errors:
        told = said(record)
        assert "\n" not in told
        assert told.startswith("a conversation broke: KeyError < common/test_broken_dialects.py:")
    assert SECRET not in " ".join(said(record) for record in records)
    assert all(recognizer.closed == 1 for recognizer in engine.recognizers)


async def test_what_was_said_before_the_fault_is_delivered(engine: FakeEngine) -> None:
    socket = await talk(engine, BrokenDialect("on_message"), [SECRET])
    assert socket.types()[-2:] == ["end", "error"]
    assert socket.of("event")


async def test_a_sound_dialect_logs_nothing(engine: FakeEngine) -> None:
    with log_records() as records:
        socket = await talk(engine, BrokenDialect(), [SECRET])
    assert socket.closed == (1000, "")
    assert [record for record in records if record.levelno >= 30] == []
