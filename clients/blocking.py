"""The client for programs without asyncio: the same calls, each waiting until it is done.

with connect("localhost:8765") as client:
    client.send_audio(samples)
    client.stop()
    print(client.transcript.text)

The session runs in a thread of its own; the client may be used from any threads, so that one
can send while another iterates events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from streamer.audio.samples import Sound
from streamer.client import client as asynchronous
from streamer.client import files
from streamer.client.address import DEFAULT_ADDRESS
from streamer.client.backoff import ReconnectOptions
from streamer.client.client import Client
from streamer.client.resuming.resumable_state import Gap
from streamer.client.transcript import Transcript
from streamer.protocol.messages import (
    ByeEvent,
    ConfigureMessage,
    ReadyEvent,
    ServerEvent,
    StartMessage,
)

_T = TypeVar("_T")


@contextmanager
def connect(
    address: str = DEFAULT_ADDRESS,
    start: StartMessage | None = None,
    token: str | None = None,
    open_timeout_s: float = 20.0,
    reconnect: ReconnectOptions | None = None,
) -> Iterator[BlockingClient]:
    """As `streamer.client.connect`, and it raises the same."""
    opening = asynchronous.connect(address, start, token, open_timeout_s, reconnect)
    with (
        start_blocking_portal(name="streamer client") as portal,
        portal.wrap_async_context_manager(opening) as client,
    ):
        blocking = BlockingClient(client, portal)
        try:
            yield blocking
        finally:
            blocking.leave()


def transcribe(
    path: Path | str,
    address: str = DEFAULT_ADDRESS,
    start: StartMessage | None = None,
    token: str | None = None,
) -> Transcript:
    """As `streamer.client.files.transcribe`, and it raises the same."""
    with start_blocking_portal(name="streamer client") as portal:
        return portal.call(partial(files.transcribe, path, address, start, token))


class BlockingClient:
    """One session, as `streamer.client.Client`; each call raises what the call there raises."""

    def __init__(self, client: Client, portal: BlockingPortal) -> None:
        self._client = client
        self._portal: BlockingPortal | None = portal

    @property
    def transcript(self) -> Transcript:
        """As it stands; what is said later does not change it."""
        return self._read(lambda client: client.transcript.copy())

    @property
    def lost_samples(self) -> int:
        return self._read(lambda client: client.lost_samples)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        return self._read(lambda client: client.gaps)

    @property
    def connected(self) -> bool:
        return self._read(lambda client: client.connected)

    @property
    def ready(self) -> ReadyEvent | None:
        return self._read(lambda client: client.ready)

    @property
    def bye(self) -> ByeEvent | None:
        return self._read(lambda client: client.bye)

    def send_audio(self, samples: Sound, capture_time_ms: float | None = None) -> None:
        """Waits while the server holds us back."""
        self._running().call(self._client.send_audio, samples, capture_time_ms)

    def skip_audio(self, n_samples: int) -> None:
        self._running().call(self._client.skip_audio, n_samples)

    def configure(self, change: ConfigureMessage) -> None:
        self._running().call(self._client.configure, change)

    def finalize(self) -> None:
        self._running().call(self._client.finalize)

    def stop(self) -> ByeEvent:
        return self._running().call(self._client.stop)

    def __iter__(self) -> Iterator[ServerEvent]:
        return self

    def __next__(self) -> ServerEvent:
        """Waits for the next event; ends after `bye`."""
        event = self._running().call(_next_event, self._client)
        if event is None:
            raise StopIteration
        return event

    def leave(self) -> None:
        """The session is being closed; what was received can still be read. `connect` does this."""
        self._portal = None

    def _read(self, get: Callable[[Client], _T]) -> _T:
        """Where no event can come between."""
        return get(self._client) if self._portal is None else self._portal.call(get, self._client)

    def _running(self) -> BlockingPortal:
        if self._portal is None:
            raise RuntimeError("the session is closed: use the client inside its `with` block")
        return self._portal


async def _next_event(client: Client) -> ServerEvent | None:
    return await anext(client, None)
