"""How many people a session tells apart: what its client asks."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from streamer.hosting.options import ServerOptions
from streamer.protocol.messages import CLIENT_MESSAGE, StartMessage
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


@pytest.mark.parametrize("asked", [0, 1, 9, 2.5, None, [2]])
def test_other_numbers_are_refused(asked: object) -> None:
    with pytest.raises(ValidationError):
        CLIENT_MESSAGE.validate_python({"type": "start", "speakers": asked})
