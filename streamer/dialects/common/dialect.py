"""What a foreign protocol is made of: a codec that turns messages into actions on a session, and
a view that turns the session's reports into messages. Neither does any I/O; `conversation` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from streamer.audio.arrays import Floats
from streamer.audio.pcm import SampleReader
from streamer.protocol.errors import ProtocolError
from streamer.recognition.contract import SessionChange, SessionOptions
from streamer.session.report import Report


@dataclass(frozen=True, slots=True)
class StartSession:
    """Open a session; its audio comes at `rate`."""

    rate: int
    options: SessionOptions
    channels: int = 1
    """With several, each is a session of its own."""
    container: bool = False
    """It comes in one, whatever its rate: as `Encoded`."""


@dataclass(frozen=True, slots=True)
class Audio:
    samples: Floats
    """In -1 … 1: `[frames]`, or `[frames, channels]` where the session has several."""
    dropped_bytes: int = 0
    """Of damaged messages before them."""


def audio_from(reader: SampleReader, data: bytes) -> Audio:
    """What a message adds to a stream of samples."""
    before = reader.dropped_bytes
    samples = reader.read(data)
    return Audio(samples, reader.dropped_bytes - before)


@dataclass(frozen=True, slots=True)
class Encoded:
    """The next bytes of the container that the audio comes in."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ChangeSession:
    """For all that is not committed yet; before the session, for its beginning."""

    change: SessionChange


@dataclass(frozen=True, slots=True)
class Finalize:
    """Make all audio so far final; the session goes on."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send this message."""

    text: str


@dataclass(frozen=True, slots=True)
class EndSession:
    """No more audio: end the session, and send all that is left of it."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection in order."""


Action = StartSession | Audio | Encoded | ChangeSession | Finalize | Send | EndSession | Close


class Dialect(Protocol):
    """One connection's codec and view. All calls come from the event loop."""

    def on_connect(self) -> Iterator[Action]:
        """What to do as soon as the client has connected."""

    def on_message(self, message: str | bytes) -> Iterator[Action]:
        """What a message asks for. Raises ProtocolError if the conversation cannot go on;
        anything else is answered with `Send`."""

    def on_event(self, report: Report, channel: int) -> Iterator[str]:
        """A report of a channel's session, as messages."""

    def on_end(self, received_samples: int) -> Iterator[str]:
        """The last messages about a session, behind all its reports."""

    def on_error(self, error: ProtocolError) -> Iterator[str]:
        """The message about an error that ends the connection, behind all others."""

    def close_code(self, error: ProtocolError) -> int:
        """Of the websocket, for such an error."""
