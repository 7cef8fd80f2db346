"""The Python client of the caption server.

`connect` opens a session; `clients.blocking` has the same for programs without asyncio,
`clients.files` captions recordings, `clients.follow` reads along with somebody else's session.
`clients/examples` shows each.
"""

from clients.client import (
    Client,
    ClientError,
    ConnectionLostError,
    ServerRefusedError,
    connect,
)
from clients.transcript import Transcript
from streamer.protocol import StartMessage

__all__ = [
    "Client",
    "ClientError",
    "ConnectionLostError",
    "ServerRefusedError",
    "StartMessage",
    "Transcript",
    "connect",
]
