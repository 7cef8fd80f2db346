"""The client library: a session with the caption server.

from streamer.client import connect

async with connect("localhost:8765") as client:
    await client.send_audio(samples)
    await client.stop()
    print(client.transcript.text)

Where the connection breaks, the client opens another by itself and goes on with what it has kept;
no word is lost or said twice. If the server has lost the session, the client begins a new one,
sends it what is not captioned yet, and continues the word ids and times of the old one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection

from streamer.audio.samples import Sound
from streamer.client.address import DEFAULT_ADDRESS, resume_url, websocket_url
from streamer.client.backoff import ReconnectOptions, backoff_delays_s
from streamer.client.connection import Connection
from streamer.client.event_queue import EventQueue
from streamer.client.resuming.resend_buffer import Chunk, Command
from streamer.client.resuming.resumable_state import Gap, ResumableState
from streamer.client.transcript import (
    ClientError,
    ConnectionLostError,
    ServerRefusedError,
    Transcript,
    TranscriptError,
)
from streamer.client.transport import DirectWay, UnreachableError, open_websocket
from streamer.protocol.messages import (
    ByeEvent,
    ConfigureMessage,
    FinalizeMessage,
    ReadyEvent,
    ServerEvent,
    StartMessage,
    StopMessage,
)

_MAX_UNSENT_S: Final = 20.0


@asynccontextmanager
async def connect(
    address: str = DEFAULT_ADDRESS,
    start: StartMessage | None = None,
    token: str | None = None,
    open_timeout_s: float = 20.0,
    reconnect: ReconnectOptions | None = None,
) -> AsyncIterator[Client]:
    """Open a session; leaving the block closes it, without waiting for finals (see `stop`).

    Args:
        address: of the server, as `websocket_url` understands it.
        start: the settings; left out, 16 kHz samples are captioned live.
        token: shown to the server, if it wants one.

    Raises:
        ValueError: this is no address.
        ServerRefusedError: the server does not want this session.
        ConnectionLostError: nobody answers there.
    """
    url, start = websocket_url(address), start or StartMessage()
    client = Client(url, start, token, open_timeout_s, reconnect or ReconnectOptions())
    try:
        await client.open()
        yield client
    finally:
        await client.close()


class Client:
    """One session. Audio goes in by `send_audio`, events come out by iteration.

    All events are folded into `transcript` as they arrive, iterated or not.
    """

    def __init__(
        self,
        url: str,
        start: StartMessage,
        token: str | None,
        open_timeout_s: float,
        reconnect: ReconnectOptions,
    ) -> None:
        self._broken = False
        """Whether the connection is gone, but is to be had again."""
        self._url = url
        self._token = token
        self._open_timeout_s = open_timeout_s
        self._options = reconnect
        self._state = ResumableState(start, reconnect.keep_s)
        self._events = EventQueue()
        self._connection: Connection | None = None
        self._changed = asyncio.Condition()
        self._error: ClientError | None = None
        self._ended = False
        self._runner: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        return self._connection is not None and self._connection.is_ready

    @property
    def transcript(self) -> Transcript:
        return self._state.transcript

    @property
    def lost_samples(self) -> int:
        """16 kHz samples that were not transcribed: the server said so, or they are in `gaps`."""
        return self._state.lost_samples

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What was lost together with a session, beyond what could be sent again."""
        return tuple(self._state.gaps)

    @property
    def ready(self) -> ReadyEvent | None:
        """Of the newest connection."""
        return self._state.ready

    @property
    def bye(self) -> ByeEvent | None:
        return self._state.bye

    async def open(self) -> None:
        """Connect, send the settings and wait until the server is ready. `connect` does this.

        Raises:
            ServerRefusedError, ConnectionLostError
        """
        websocket = await self._open_websocket()
        self._runner = asyncio.create_task(self._run(websocket))
        async with self._changed:
            await self._changed.wait_for(lambda: self.ready is not None or self._ended)
        if self.ready is None:
            raise self._end_error()

    async def send_audio(self, samples: Sound, capture_time_ms: float | None = None) -> None:
        """Send sound at the rate of the `StartMessage`. Waits while the server holds us back;
        while the connection is broken, a recording waits and live audio is kept.

        Args:
            samples: floats in -1 … 1, int16, int32 or uint8; several channels are mixed, but where
                the `StartMessage` says `channels`: `[frames, channels]`. Bytes are in its
                encoding: (interleaved) samples, of 16 bits if it says nothing, or the next piece
                of a container.
            capture_time_ms: of the first sample, milliseconds since the Unix epoch, if known.

        Raises:
            ServerRefusedError, ConnectionLostError
            TypeError, ValueError: this is no sound, see `streamer.audio.samples`.
        """
        for chunk in self._state.chunks(samples, capture_time_ms):
            self._add(chunk)
            async with self._changed:
                await self._changed.wait_for(lambda: not self._must_wait())

    def skip_audio(self, n_samples: int) -> None:
        """Leave out audio that was not captured; the next frame tells the server of the gap."""
        self._state.skip(n_samples)

    async def configure(self, change: ConfigureMessage) -> None:
        """Change what is expected, for all that is not committed yet.

        Raises:
            ServerRefusedError, ConnectionLostError
        """
        self._add(self._state.command(change))

    async def finalize(self) -> None:
        """Close the open segment now.

        Raises:
            ServerRefusedError, ConnectionLostError
        """
        self._add(self._state.command(FinalizeMessage()))

    async def stop(self) -> ByeEvent:
        """End the audio and wait until everything has been transcribed and received.

        Raises:
            ServerRefusedError, ConnectionLostError
        """
        if not self._ended:
            self._add(self._state.command(StopMessage()))
        async with self._changed:
            await self._changed.wait_for(lambda: self._ended)
        if self.bye is None or self._error is not None:
            raise self._end_error()
        return self.bye

    async def close(self) -> None:
        """Close the connection and read no more events. `connect` does this."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait({self._runner})

    def __aiter__(self) -> AsyncIterator[ServerEvent]:
        return self

    async def __anext__(self) -> ServerEvent:
        """The next event; ends after `bye`. Once iterated, the server waits for a slow reader;
        before that, the oldest of 4096 unread events give way.

        Raises:
            ServerRefusedError: after the last event of a session that ended with an error.
            ConnectionLostError: the server went for good, or broke the protocol.
        """
        event = await self._events.get()
        if event is not None:
            return event
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    async def connections(self) -> AsyncIterator[bool]:
        """Whenever the connection breaks, False; when it is back, True; until the session ends."""
        broken = False

        def has_changed() -> bool:
            return self._ended or self._broken is not broken

        while not self._ended:
            async with self._changed:
                await self._changed.wait_for(has_changed)
            if not self._ended:
                broken = self._broken
                yield not broken

    def _add(self, item: Chunk | Command) -> None:
        """Raises ClientError if there is no session any more."""
        if self._ended:
            raise self._end_error()
        self._state.buffer.add(item)
        if self._connection is not None:
            self._connection.wake_sender()

    def _must_wait(self) -> bool:
        if self._ended:
            return False
        start, buffer = self._state.start, self._state.buffer
        half = self._options.keep_s / 2 * start.sample_rate
        recording = not start.live
        # A recording has the time to let nothing give way that a cut would make us send again.
        if recording and self._may_reconnect() and buffer.unacknowledged_samples > half:
            return True
        most = min(_MAX_UNSENT_S * start.sample_rate, half)
        return (self.connected or recording) and buffer.unsent_samples > most

    def _may_reconnect(self) -> bool:
        return self._state.may_resume and self._options.give_up_s > 0

    async def _run(self, websocket: ClientConnection) -> None:
        """The whole session, over as many connections as it takes."""
        state = self._state
        cut_at_s, delays = None, backoff_delays_s(self._options)
        direct_way = DirectWay(self._url, self._token)
        try:
            while True:
                n_connections = state.n_connections
                before = self._connection if self._connection and self._connection.direct else None
                self._connection = Connection(
                    websocket, state, self._options, self._show, self._notify, direct_way, before
                )
                trouble = await self._connection.run()
                if self._is_over():
                    return
                if self._connection.direct is not None:
                    websocket = self._connection.direct
                    continue
                if not self._may_reconnect():
                    raise self._connection_lost(trouble)
                state.on_disconnect()
                self._broken = True
                await self._notify()
                if cut_at_s is None or state.n_connections > n_connections:
                    cut_at_s, delays = time.monotonic(), backoff_delays_s(self._options)
                websocket = await self._reconnect(cut_at_s, delays, trouble)
        except ClientError as error:
            self._error = error
        except ValidationError as error:
            self._error = self._connection_lost(f"the server sent a malformed event: {error}")
        except TranscriptError as error:
            self._error = self._connection_lost(f"the server contradicts itself: {error}")
        finally:
            self._ended = True
            await self._events.close()
            await self._notify()

    def _is_over(self) -> bool:
        """Whether the server has said its last word. Raises ServerRefusedError."""
        refusal = self._state.refusal
        if refusal is None:
            return self.bye is not None
        if not self._state.can_continue or not self._may_reconnect():
            raise ServerRefusedError(refusal.code.value, refusal.message, self.transcript)
        return False

    async def _reconnect(
        self, cut_at_s: float, delays: Iterator[float], trouble: str
    ) -> ClientConnection:
        """Raises ConnectionLostError when the time for that is over."""
        for delay_s in delays:
            if time.monotonic() + delay_s - cut_at_s > self._options.give_up_s:
                break
            await asyncio.sleep(delay_s)
            try:
                return await self._open_websocket()
            except ConnectionLostError as error:
                trouble = str(error)
        raise self._connection_lost(trouble)

    async def _open_websocket(self) -> ClientConnection:
        """Raises ConnectionLostError."""
        session_id = self._state.session_id
        url = self._url if session_id is None else resume_url(self._url, session_id)
        try:
            return await open_websocket(url, self._token, self._open_timeout_s)
        except UnreachableError as error:
            raise self._connection_lost(str(error)) from error

    async def _show(self, event: ServerEvent) -> None:
        if isinstance(event, ReadyEvent):
            self._broken = False
        await self._events.put(event)
        await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _end_error(self) -> ClientError:
        return self._error or self._connection_lost("the session has ended")

    def _connection_lost(self, trouble: str) -> ConnectionLostError:
        return ConnectionLostError(trouble or "the server closed without bye", self.transcript)
