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
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from streamer.client.address import DEFAULT_ADDRESS, websocket_url
from streamer.client.backoff import ReconnectOptions, delays_s
from streamer.client.resend_buffer import Chunk, Command
from streamer.client.resumable_state import Course, Gap
from streamer.client.transcript import Transcript, TranscriptError
from streamer.client.transport import UnreachableError, open_websocket, read_event
from streamer.protocol.messages import (
    ByeEvent,
    FinalizeMessage,
    ReadyEvent,
    ServerEvent,
    StartMessage,
    StopMessage,
)

_MAX_EVENTS: Final = 4096
_MAX_UNSENT_S: Final = 20.0


class ClientError(Exception):
    """The session is over. `transcript` holds what was received before."""

    def __init__(self, message: str, transcript: Transcript) -> None:
        super().__init__(message)
        self.transcript = transcript


class ServerRefusedError(ClientError):
    """The server ended the session with an error event; `code` is stable, see PROTOCOL.md."""

    def __init__(self, code: str, message: str, transcript: Transcript) -> None:
        super().__init__(f"{code}: {message}", transcript)
        self.code = code
        self.message = message


class ConnectionLostError(ClientError):
    """The server could not be reached, or went and did not come back."""


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
    client = Client(
        websocket_url(address),
        start or StartMessage(),
        token,
        open_timeout_s,
        reconnect or ReconnectOptions(),
    )
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
        self.connected = False
        self._broken = False
        """Whether the connection is gone, but is to be had again."""
        self._url = url
        self._token = token
        self._open_timeout_s = open_timeout_s
        self._reconnect = reconnect
        self._course = Course(start, reconnect.keep_s)
        self._events: deque[ServerEvent] = deque()
        self._iterated = False
        self._changed = asyncio.Condition()
        self._to_send = asyncio.Event()
        self._over: ClientError | None = None
        self._ended = False
        self._runner: asyncio.Task[None] | None = None

    @property
    def transcript(self) -> Transcript:
        return self._course.transcript

    @property
    def lost_samples(self) -> int:
        """16 kHz samples that were not transcribed: the server said so, or they are in `gaps`."""
        return self._course.lost_samples

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What was lost together with a session, beyond what could be sent again."""
        return tuple(self._course.gaps)

    @property
    def ready(self) -> ReadyEvent | None:
        """Of the newest connection."""
        return self._course.ready

    @property
    def bye(self) -> ByeEvent | None:
        return self._course.bye

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
            raise self._ending()

    async def send_audio(
        self, samples: npt.NDArray[np.float32], capture_time_ms: float | None = None
    ) -> None:
        """Send mono samples in -1 … 1 at the rate of the `StartMessage`. Waits while the
        server holds us back; while the connection is broken, a recording waits and live audio
        is kept.

        Args:
            capture_time_ms: of the first sample, milliseconds since the Unix epoch, if known.

        Raises:
            ServerRefusedError, ConnectionLostError
        """
        for chunk in self._course.chunks(samples, capture_time_ms):
            self._add(chunk)
            async with self._changed:
                await self._changed.wait_for(lambda: not self._must_wait())

    def skip_audio(self, n_samples: int) -> None:
        """Leave out audio that was not captured; the next frame tells the server of the gap."""
        self._course.skip(n_samples)

    async def finalize(self) -> None:
        """Close the open segment now.

        Raises:
            ServerRefusedError, ConnectionLostError
        """
        self._add(self._course.command(FinalizeMessage()))

    async def stop(self) -> ByeEvent:
        """End the audio and wait until everything has been transcribed and received.

        Raises:
            ServerRefusedError, ConnectionLostError
        """
        if not self._ended:
            self._add(self._course.command(StopMessage()))
        async with self._changed:
            await self._changed.wait_for(lambda: self._ended)
        if self.bye is None or self._over is not None:
            raise self._ending()
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
        self._iterated = True
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._events) or self._ended)
            if self._events:
                event = self._events.popleft()
                self._changed.notify_all()
                return event
        if self._over is not None:
            raise self._over
        raise StopAsyncIteration

    async def connections(self) -> AsyncIterator[bool]:
        """Whenever the connection breaks, False; when it is back, True; until the session ends."""
        broken = False
        while not self._ended:
            async with self._changed:
                await self._changed.wait_for(partial(self._is_news, broken))
            if not self._ended:
                broken = self._broken
                yield not broken

    def _is_news(self, broken: bool) -> bool:
        return self._ended or self._broken is not broken

    def _add(self, item: Chunk | Command) -> None:
        """Raises ClientError if there is no session any more."""
        if self._ended:
            raise self._ending()
        self._course.kept.add(item)
        self._to_send.set()

    def _must_wait(self) -> bool:
        if self._ended:
            return False
        start, kept = self._course.start, self._course.kept
        half = self._reconnect.keep_s / 2 * start.sample_rate
        recording = not start.live
        # A recording has the time to let nothing give way that a cut would make us send again.
        if recording and self._may_return() and kept.unacknowledged_samples > half:
            return True
        most = min(_MAX_UNSENT_S * start.sample_rate, half)
        return (self.connected or recording) and kept.unsent_samples > most

    def _may_return(self) -> bool:
        return self._course.may_resume and self._reconnect.give_up_s > 0

    async def _run(self, websocket: ClientConnection) -> None:
        """The whole session, over as many connections as it takes."""
        course = self._course
        cut_at_s, delays = None, delays_s(self._reconnect)
        try:
            while True:
                readies = course.readies
                trouble = await self._talk(websocket)
                if self._is_over():
                    return
                if not self._may_return():
                    raise self._lost(trouble)
                course.go_on()
                async with self._changed:
                    self._broken = True
                    self._changed.notify_all()
                if cut_at_s is None or course.readies > readies:
                    cut_at_s, delays = time.monotonic(), delays_s(self._reconnect)
                websocket = await self._reopened(cut_at_s, delays, trouble)
        except ClientError as error:
            self._over = error
        except ValidationError as error:
            self._over = self._lost(f"the server sent a malformed event: {error}")
        except TranscriptError as error:
            self._over = self._lost(f"the server contradicts itself: {error}")
        finally:
            self._ended = True
            async with self._changed:
                self._changed.notify_all()

    def _is_over(self) -> bool:
        """Whether the server has said its last word. Raises ServerRefusedError."""
        refusal = self._course.refusal
        if refusal is None:
            return self.bye is not None
        if not self._course.survives or not self._may_return():
            raise ServerRefusedError(refusal.code.value, refusal.message, self.transcript)
        return False

    async def _reopened(
        self, cut_at_s: float, delays: Iterator[float], trouble: str
    ) -> ClientConnection:
        """Raises ConnectionLostError when the time for that is over."""
        for delay_s in delays:
            if time.monotonic() + delay_s - cut_at_s > self._reconnect.give_up_s:
                break
            await asyncio.sleep(delay_s)
            try:
                return await self._open_websocket()
            except ConnectionLostError as error:
                trouble = str(error)
        raise self._lost(trouble)

    async def _open_websocket(self) -> ClientConnection:
        """Raises ConnectionLostError."""
        try:
            return await open_websocket(self._url, self._token, self._open_timeout_s)
        except UnreachableError as error:
            raise self._lost(str(error)) from error

    async def _talk(self, websocket: ClientConnection) -> str:
        """Use one connection until it ends; gives the reason.

        Raises:
            ValidationError, TranscriptError: the server breaks the protocol.
        """
        sending: asyncio.Task[None] | None = None
        try:
            with suppress(ConnectionClosed):  # the server has said why, and that is read below
                await websocket.send(self._course.opening().model_dump_json())
            while True:
                event = read_event(await self._next_text(websocket))
                if isinstance(event, ReadyEvent):
                    shown = self._course.begin(event)
                    self.connected, self._broken = True, False
                    sending = asyncio.create_task(self._send_kept(websocket))
                else:
                    taken = None if event is None else self._course.take(event)
                    shown = [] if taken is None else [taken]
                for one in shown:
                    await self._show(one)
        except ConnectionClosed as closed:
            in_order = closed.rcvd is not None and closed.rcvd.code == 1000
            return "" if in_order else f"the connection broke: {closed}"
        except TimeoutError:
            websocket.transport.abort()
            return "the server fell silent"
        finally:
            self.connected = False
            if sending is not None:
                sending.cancel()
                await asyncio.wait({sending})
            await websocket.close()
            async with self._changed:
                self._changed.notify_all()

    async def _next_text(self, websocket: ClientConnection) -> str | bytes:
        """Raises ConnectionClosed, and TimeoutError if the server seems to be gone."""
        while True:
            try:
                async with asyncio.timeout(self._reconnect.stall_s):
                    return await websocket.recv()
            except TimeoutError:
                if self._may_return() and self._course.kept.unacknowledged_samples > 0:
                    raise

    async def _send_kept(self, websocket: ClientConnection) -> None:
        seq = 0
        with suppress(ConnectionClosed):  # the receiving side learns why
            while True:
                item = self._course.kept.take()
                if item is None:
                    self._to_send.clear()
                    await self._to_send.wait()
                elif isinstance(item, Command):
                    await websocket.send(item.message.model_dump_json())
                else:
                    await websocket.send(self._course.frame(seq, item))
                    seq += 1
                async with self._changed:
                    self._changed.notify_all()

    async def _show(self, event: ServerEvent) -> None:
        async with self._changed:
            if self._iterated:
                await self._changed.wait_for(lambda: len(self._events) < _MAX_EVENTS)
            elif len(self._events) >= _MAX_EVENTS:
                self._events.popleft()
            self._events.append(event)
            self._changed.notify_all()

    def _ending(self) -> ClientError:
        return self._over or self._lost("the session has ended")

    def _lost(self, trouble: str) -> ConnectionLostError:
        return ConnectionLostError(trouble or "the server closed without bye", self.transcript)
