"""A session that goes on on another server."""

from __future__ import annotations

from typing import Literal

from streamer.protocol.wire import Wire


class MoveEvent(Wire):
    """This server lets the session go, and closes with 1012; `resume` it by this id over a new
    connection, which goes to another."""

    type: Literal["move"] = "move"
    session_id: str
