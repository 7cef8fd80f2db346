"""How many people a session tells apart: what its client asks."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pydantic import ValidationError

from streamer.hosting.options import ServerOptions
from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import CLIENT_MESSAGE, StartMessage
from streamer.protocol.parsing import parse_text
from streamer.protocol.voice_prints import VOICE_NUMBERS, voice_text
from streamer.runtime.metrics import ServerMetrics
from tests.fakes import FakeEngine
from tests.serving import session_registry


@pytest.mark.parametrize(("asked", "most"), [(None, 0), (False, 0), (True, 6), (2, 2), (8, 8)])
async def test_who_asks_is_told_of_so_many(asked: bool | int | None, most: int) -> None:
    engine = FakeEngine(start=False)
    sessions = session_registry(engine, ServerOptions(), ServerMetrics(engine.executor))
    told = {"type": "start"} if asked is None else {"type": "start", "speakers": asked}
    start = CLIENT_MESSAGE.validate_json(json.dumps(told))
    assert isinstance(start, StartMessage)
    sessions.open(start)
    assert engine.recognizers[0].options.speakers == most
    await sessions.close(grace_s=0)
    engine.close()


async def test_each_of_two_channels_tells_as_many_apart() -> None:
    engine = FakeEngine(start=False)
    sessions = session_registry(engine, ServerOptions(), ServerMetrics(engine.executor))
    sessions.open(start_with(channels=2, speakers=3))
    assert [made.options.speakers for made in engine.recognizers] == [3, 3]
    await sessions.close(grace_s=0)
    engine.close()


@pytest.mark.parametrize("asked", [0, 1, 9, 2.5, None, [2]])
def test_other_numbers_are_refused(asked: object) -> None:
    with pytest.raises(ValidationError):
        CLIENT_MESSAGE.validate_python({"type": "start", "speakers": asked})


def start_with(**settings: object) -> StartMessage:
    """Raises ProtocolError."""
    start = parse_text(json.dumps({"type": "start", **settings}))
    assert isinstance(start, StartMessage)
    return start


VOICE = voice_text(np.full(VOICE_NUMBERS, 0.05, np.float32))


async def test_voices_that_are_known_beforehand_reach_the_recognizer() -> None:
    engine = FakeEngine(start=False)
    sessions = session_registry(engine, ServerOptions(), ServerMetrics(engine.executor))
    sessions.open(start_with(speakers=True, known_voices=[VOICE]))
    (known,) = engine.recognizers[0].options.known_voices
    assert known == pytest.approx(0.05, rel=1e-3)
    with pytest.raises(ProtocolError, match="known_voices: nobody is told apart; send speakers"):
        sessions.open(start_with(known_voices=[VOICE]))
    await sessions.close(grace_s=0)
    engine.close()


@pytest.mark.parametrize(
    "voices",
    [
        ["no base64"],
        [VOICE[:-4]],
        [voice_text(np.full(VOICE_NUMBERS, 1, np.float32))],
        [voice_text(np.full(VOICE_NUMBERS, np.nan, np.float32))],
        [VOICE] * 9,
        VOICE,
    ],
)
def test_what_is_no_voice_is_refused(voices: object) -> None:
    with pytest.raises(ProtocolError, match="known_voices"):
        start_with(speakers=True, known_voices=voices)
