"""The Python client of the caption server.

`connect` opens a session; `blocking` has the same for programs without asyncio, `files` captions
recordings, `follow` reads along with somebody else's session. `examples` shows each. Imports
`streamer.protocol`, and of `streamer.audio` the clock, the type of sound and what turns other
sound into it: see `clients/python`, which installs these alone.
"""

from streamer.client.client import Client, connect
from streamer.client.transcript import (
    ClientError,
    ConnectionLostError,
    ServerRefusedError,
    Transcript,
)
from streamer.protocol.messages import ConfigureMessage, StartMessage
from streamer.protocol.turns import TurnSettings

__all__ = [
    "Client",
    "ClientError",
    "ConfigureMessage",
    "ConnectionLostError",
    "ServerRefusedError",
    "StartMessage",
    "Transcript",
    "TurnSettings",
    "connect",
]
