"""The client library: a websocket session with the caption server.

async with connect("ws://localhost:8765/v1/stream", StartMessage()) as client:
    await client.send_audio(samples)
    await client.stop()
    print(client.transcript.text)
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from clients.transcript import Transcript, TranscriptError
from streamer.frames import HEADER, encode_frame
from streamer.protocol import (
    MAX_FRAME_MS,
    SERVER_EVENT,
    ByeEvent,
    Encoding,
    ErrorEvent,
    FinalizeMessage,
    LossEvent,
    ReadyEvent,
    ServerEvent,
    StartMessage,
    StopMessage,
)

_MAX_EVENTS: Final = 4096
_MAX_EVENT_BYTES: Final = 16 * 2**20


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
    """The server could not be reached, or went without saying bye."""


@asynccontextmanager
async def connect(
    url: str, start: StartMessage, token: str | None = None, open_timeout_s: float = 20.0
) -> AsyncIterator[Client]:
    """Open a session; leaving the block closes it, without waiting for finals (see `stop`).

    Args:
        url: `ws://host:8765/v1/stream`.
        token: shown to the server, if it wants one.

    Raises:
        ServerRefusedError: the server does not want this session.
        ConnectionLostError: nobody answers there.
    """
    headers = {"Authorization": f"Bearer {token}"} if token is not None else None
    async with AsyncExitStack() as stack:
        try:
            websocket = await stack.enter_async_context(
                open_websocket(
                    url,
                    additional_headers=headers,
                    compression=None,
                    max_size=_MAX_EVENT_BYTES,
                    open_timeout=open_timeout_s,
                    # A server that holds a fast client back gets to our pings late.
                    ping_timeout=None,
                )
            )
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
            raise ConnectionLostError(f"cannot connect to {url}: {error}", Transcript()) from error
        client = Client(websocket, start)
        stack.push_async_callback(client.close)
        await client.open()
        yield client


class Client:
    """One session. Audio goes in by `send_audio`, events come out by iteration.

    All events are folded into `transcript` as they arrive, iterated or not.
    """

    def __init__(self, websocket: ClientConnection, start: StartMessage) -> None:
        self.transcript = Transcript()
        self.lost_samples = 0
        """16 kHz samples the server said it could not transcribe."""
        self.ready: ReadyEvent | None = None
        self.bye: ByeEvent | None = None
        self._websocket = websocket
        self._start = start
        self._seq = 0
        self._offset = 0
        self._events: deque[ServerEvent] = deque()
        self._iterated = False
        self._changed = asyncio.Condition()
        self._refusal: ErrorEvent | None = None
        self._over: ClientError | None = None
        self._ended = False
        self._receiver: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Send the settings and wait until the server is ready. `connect` does this.

        Raises:
            ServerRefusedError, ConnectionLostError
        """
        self._receiver = asyncio.create_task(self._receive())
        await self._send(self._start)
        async with self._changed:
            await self._changed.wait_for(lambda: self.ready is not None or self._ended)
        if self.ready is None:
            raise self._ending()

    async def send_audio(
        self, samples: npt.NDArray[np.float32], capture_time_ms: float | None = None
    ) -> None:
        """Send mono samples in -1 … 1 at the rate of the `StartMessage`. Waits while the
        server holds us back.

        Args:
            capture_time_ms: of the first sample, milliseconds since the Unix epoch, if known.

        Raises:
            ServerRefusedError, ConnectionLostError
        """
        rate = self._start.sample_rate
        width = 2 if self._start.encoding is Encoding.PCM_S16LE else 4
        longest = MAX_FRAME_MS * rate // 1000
        if self.ready is not None:
            longest = min(longest, (self.ready.max_message_bytes - HEADER.size) // width)
        for at in range(0, len(samples), longest):
            chunk = samples[at : at + longest]
            stamp = 0.0 if capture_time_ms is None else capture_time_ms + at * 1000 / rate
            frame = encode_frame(self._seq, self._offset, stamp, chunk, self._start.encoding)
            self._seq += 1
            self._offset += len(chunk)
            await self._send(frame)

    def skip_audio(self, n_samples: int) -> None:
        """Leave out audio that was not captured; the next frame tells the server of the gap."""
        self._offset += n_samples

    async def finalize(self) -> None:
        """Close the open segment now.

        Raises:
            ServerRefusedError, ConnectionLostError
        """
        await self._send(FinalizeMessage())

    async def stop(self) -> ByeEvent:
        """End the audio and wait until everything has been transcribed and received.

        Raises:
            ServerRefusedError, ConnectionLostError
        """
        await self._send(StopMessage())
        async with self._changed:
            await self._changed.wait_for(lambda: self._ended)
        if self.bye is None or self._over is not None:
            raise self._ending()
        return self.bye

    async def close(self) -> None:
        """Read no more events. `connect` does this before it closes the socket."""
        if self._receiver is not None:
            self._receiver.cancel()
            await asyncio.wait({self._receiver})

    def __aiter__(self) -> AsyncIterator[ServerEvent]:
        return self

    async def __anext__(self) -> ServerEvent:
        """The next event; ends after `bye`. Once iterated, the server waits for a slow reader;
        before that, the oldest of 4096 unread events give way.

        Raises:
            ServerRefusedError: after the last event of a session that ended with an error.
            ConnectionLostError: the server went without saying bye, or broke the protocol.
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

    async def _send(self, message: BaseModel | bytes) -> None:
        try:
            await self._websocket.send(
                message if isinstance(message, bytes) else message.model_dump_json()
            )
        except ConnectionClosed:
            # What the server said before it closed is on its way through the receiver.
            async with self._changed:
                await self._changed.wait_for(lambda: self._ended)
            raise self._ending() from None

    async def _receive(self) -> None:
        trouble = ""
        try:
            async for text in self._websocket:
                event = _read_event(text)
                if event is not None:
                    await self._take(event)
        except ConnectionClosed as closed:
            trouble = f"the connection broke: {closed}"
        except ValidationError as error:
            trouble = f"the server sent a malformed event: {error}"
        except TranscriptError as error:
            trouble = f"the server contradicts itself: {error}"
        finally:
            if self._refusal is not None:
                code, message = self._refusal.code.value, self._refusal.message
                self._over = ServerRefusedError(code, message, self.transcript)
            elif self.bye is None:
                self._over = self._lost(trouble)
            self._ended = True
            async with self._changed:
                self._changed.notify_all()

    async def _take(self, event: ServerEvent) -> None:
        """Raises TranscriptError."""
        self.transcript.apply(event)
        if isinstance(event, ReadyEvent):
            self.ready = event
        elif isinstance(event, LossEvent):
            self.lost_samples += event.lost_samples
        elif isinstance(event, ErrorEvent) and event.fatal:
            self._refusal = event
        elif isinstance(event, ByeEvent):
            self.bye = event
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


def _read_event(text: str | bytes) -> ServerEvent | None:
    """None for a type that came with a newer server. Raises ValidationError."""
    try:
        return SERVER_EVENT.validate_json(text)
    except ValidationError as error:
        if error.errors()[0]["type"] == "union_tag_invalid":
            return None
        raise
