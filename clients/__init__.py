"""The Python client of the caption server.

`connect` opens a session; `blocking` has the same for programs without asyncio, `files` captions
recordings, `follow` reads along with somebody else's session. `examples` shows each. Imports
`streamer.protocol`, and of `streamer.audio` the clock and the type of sound.
"""

from streamer.client.client import (
    Client,
    ClientError,
    ConnectionLostError,
    ServerRefusedError,
    connect,
)
from streamer.client.transcript import Transcript
from streamer.protocol.messages import StartMessage

__all__ = [
    "Client",
    "ClientError",
    "ConnectionLostError",
    "ServerRefusedError",
    "StartMessage",
    "Transcript",
    "connect",
]
