"""The client library: a session with the caption server.

async with connect("ws://localhost:8765/v1/stream", StartMessage()) as client:
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
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from clients.kept_audio import Chunk, Command, KeptAudio
from clients.reconnect import ReconnectOptions, delays_s
from clients.timeline import Timeline
from clients.transcript import Transcript, TranscriptError
from streamer.frames import HEADER, encode_frame
from streamer.protocol import (
    MAX_FRAME_MS,
    SERVER_EVENT,
    ByeEvent,
    Encoding,
    ErrorCode,
    ErrorEvent,
    FinalizeMessage,
    LatencyEvent,
    LossEvent,
    ReadyEvent,
    ResumeMessage,
    SegmentEvent,
    ServerEvent,
    StartMessage,
    StopMessage,
    WordsEvent,
)

_MAX_EVENTS: Final = 4096
_MAX_EVENT_BYTES: Final = 16 * 2**20
_MAX_UNSENT_S: Final = 20.0
_MAX_CONTEXT: Final = 4_000
_SESSION_RATE: Final = 16_000

_SURVIVABLE: Final = frozenset(
    {ErrorCode.SESSION_EXPIRED, ErrorCode.SHUTTING_DOWN, ErrorCode.TOO_MANY_SESSIONS}
)
"""Errors on the way back to the server after which a new session can go on."""


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


@dataclass(frozen=True, slots=True)
class Gap:
    """Audio, in samples given to `send_audio` and `skip_audio`, that no session will caption."""

    start_sample: int
    end_sample: int


@asynccontextmanager
async def connect(
    url: str,
    start: StartMessage,
    token: str | None = None,
    open_timeout_s: float = 20.0,
    reconnect: ReconnectOptions | None = None,
) -> AsyncIterator[Client]:
    """Open a session; leaving the block closes it, without waiting for finals (see `stop`).

    Args:
        url: `ws://host:8765/v1/stream`.
        token: shown to the server, if it wants one.

    Raises:
        ServerRefusedError: the server does not want this session.
        ConnectionLostError: nobody answers there.
    """
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
        self.transcript = Transcript()
        self.lost_samples = 0
        """16 kHz samples that were not transcribed: the server said so, or they are in `gaps`."""
        self.gaps: list[Gap] = []
        """What was lost together with a session, beyond what could be sent again."""
        self.ready: ReadyEvent | None = None
        """Of the newest connection."""
        self.bye: ByeEvent | None = None
        self.connected = False
        self._url = url
        self._start = start
        self._token = token
        self._open_timeout_s = open_timeout_s
        self._reconnect = reconnect
        self._kept = KeptAudio(round(reconnect.keep_s * start.sample_rate))
        self._offset = 0
        self._settled_ms = 0.0
        self._timeline = Timeline()
        self._base_offset = 0
        self._session: ReadyEvent | None = None
        """Of the session that can be resumed."""
        self._readies = 0
        self._last_seq = 0
        self._stopping = False
        self._events: deque[ServerEvent] = deque()
        self._iterated = False
        self._changed = asyncio.Condition()
        self._to_send = asyncio.Event()
        self._refusal: ErrorEvent | None = None
        self._over: ClientError | None = None
        self._ended = False
        self._runner: asyncio.Task[None] | None = None

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
        rate = self._start.sample_rate
        width = 2 if self._start.encoding is Encoding.PCM_S16LE else 4
        longest = MAX_FRAME_MS * rate // 1000
        if self.ready is not None:
            longest = min(longest, (self.ready.max_message_bytes - HEADER.size) // width)
        for at in range(0, len(samples), longest):
            stamp = 0.0 if capture_time_ms is None else capture_time_ms + at * 1000 / rate
            # The caller may reuse its buffer, and we may need the samples again.
            chunk = Chunk(self._offset, samples[at : at + longest].copy(), stamp)
            self._add(chunk)
            self._offset = chunk.end
            async with self._changed:
                await self._changed.wait_for(lambda: not self._must_wait())
            if self._ended:
                raise self._ending()

    def skip_audio(self, n_samples: int) -> None:
        """Leave out audio that was not captured; the next frame tells the server of the gap."""
        self._offset += n_samples

    async def finalize(self) -> None:
        """Close the open segment now.

        Raises:
            ServerRefusedError, ConnectionLostError
        """
        if self._ended:
            raise self._ending()
        self._add(Command(self._offset, FinalizeMessage()))

    async def stop(self) -> ByeEvent:
        """End the audio and wait until everything has been transcribed and received.

        Raises:
            ServerRefusedError, ConnectionLostError
        """
        if not self._ended:
            self._stopping = True
            self._add(Command(self._offset, StopMessage()))
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

    def _add(self, item: Chunk | Command) -> None:
        self._kept.add(item)
        self._to_send.set()

    def _must_wait(self) -> bool:
        if self._ended:
            return False
        half = self._reconnect.keep_s / 2 * self._start.sample_rate
        recording = not self._start.live
        # A recording has the time to let nothing give way that a cut would make us send again.
        if recording and self._may_resume() and self._kept.unacknowledged_samples > half:
            return True
        most = min(_MAX_UNSENT_S * self._start.sample_rate, half)
        return (self.connected or recording) and self._kept.unsent_samples > most

    def _may_resume(self) -> bool:
        offered = self.ready is not None and self.ready.resume_token is not None
        return offered and self._reconnect.give_up_s > 0

    async def _run(self, websocket: ClientConnection) -> None:
        """The whole session, over as many connections as it takes."""
        cut_at_s = 0.0
        delays: Iterator[float] = iter(())
        recovering = False
        try:
            while True:
                readies = self._readies
                trouble = await self._talk(websocket)
                if self._is_over():
                    return
                if not self._may_resume():
                    raise self._lost(trouble)
                if not recovering or self._readies > readies:
                    cut_at_s, delays = time.monotonic(), delays_s(self._reconnect)
                recovering = True
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
        """Whether the server has said its last word on the session.

        Raises:
            ServerRefusedError: it was an error.
        """
        refusal = self._refusal
        if refusal is None:
            return self.bye is not None
        if not self._survives(refusal):
            raise ServerRefusedError(refusal.code.value, refusal.message, self.transcript)
        self._refusal = self.bye = None
        if refusal.code is not ErrorCode.TOO_MANY_SESSIONS:
            self._lose_session()
        return False

    def _survives(self, refusal: ErrorEvent) -> bool:
        """Whether a new session, now or later, can go on where this one ended."""
        if refusal.code not in _SURVIVABLE or not self._may_resume():
            return False
        # A server that ends has still captioned all that it had.
        return refusal.code is not ErrorCode.SHUTTING_DOWN or not (
            self._stopping and self._kept.unacknowledged_samples == 0
        )

    def _lose_session(self) -> None:
        """What was committed stays; the rest is said again to a new session."""
        self._session = None
        self._last_seq = 0
        self.transcript.interrupt()

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
        headers = {"Authorization": f"Bearer {self._token}"} if self._token is not None else None
        try:
            return await open_websocket(
                self._url,
                additional_headers=headers,
                compression=None,
                max_size=_MAX_EVENT_BYTES,
                open_timeout=self._open_timeout_s,
                # A server that holds a fast client back gets to our pings late.
                ping_timeout=None,
            )
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
            message = f"cannot connect to {self._url}: {error}"
            raise ConnectionLostError(message, self.transcript) from error

    async def _talk(self, websocket: ClientConnection) -> str:
        """Use one connection until it ends; gives the reason.

        Raises:
            ValidationError, TranscriptError: the server breaks the protocol.
        """
        sending: asyncio.Task[None] | None = None
        readies = self._readies
        try:
            with suppress(ConnectionClosed):  # the server has said why, and that is read below
                await websocket.send(self._opening().model_dump_json())
            while True:
                event = _read_event(await self._next_text(websocket))
                if event is None:
                    continue
                await self._take(event)
                if self._readies > readies and sending is None:
                    sending = asyncio.create_task(self._send_kept(websocket))
        except ConnectionClosed as closed:
            normal = closed.rcvd is not None and closed.rcvd.code == 1000
            return "" if normal else f"the connection broke: {closed}"
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

    def _opening(self) -> StartMessage | ResumeMessage:
        """The first message on a connection."""
        if self._session is not None:
            return ResumeMessage(
                session_id=self._session.session_id,
                resume_token=self._session.resume_token or "",
                last_seq=self._last_seq,
            )
        said = f"{self._start.context} {self.transcript.text}".strip()
        return self._start.model_copy(update={"context": said[-_MAX_CONTEXT:]})

    async def _next_text(self, websocket: ClientConnection) -> str | bytes:
        """Raises ConnectionClosed, and TimeoutError if the server seems to be gone."""
        while True:
            try:
                async with asyncio.timeout(self._reconnect.stall_s):
                    return await websocket.recv()
            except TimeoutError:
                if self._may_resume() and self._kept.unacknowledged_samples > 0:
                    raise

    async def _send_kept(self, websocket: ClientConnection) -> None:
        seq = 0
        try:
            while True:
                item = self._kept.take()
                if item is None:
                    self._to_send.clear()
                    await self._to_send.wait()
                elif isinstance(item, Command):
                    await websocket.send(item.message.model_dump_json())
                else:
                    offset = item.offset - self._base_offset
                    await websocket.send(
                        encode_frame(
                            seq, offset, item.capture_time_ms, item.samples, self._start.encoding
                        )
                    )
                    seq += 1
                async with self._changed:
                    self._changed.notify_all()
        except ConnectionClosed:
            return  # the receiving side learns why

    async def _take(self, event: ServerEvent) -> None:
        """Raises TranscriptError."""
        if isinstance(event, ReadyEvent):
            await self._begin_connection(event)
            return
        seq = getattr(event, "seq", 0)
        if 0 < seq <= self._last_seq:
            return
        event = self._timeline.place(event)
        self.transcript.apply(event)
        self._last_seq = max(self._last_seq, seq)
        if isinstance(event, WordsEvent | SegmentEvent):
            self._settle(event)
        elif isinstance(event, LossEvent):
            self.lost_samples += event.lost_samples
        elif isinstance(event, LatencyEvent) and event.acknowledged_offset is not None:
            self._kept.acknowledge(self._base_offset + event.acknowledged_offset)
        elif isinstance(event, ErrorEvent) and event.fatal:
            self._refusal = event
        elif isinstance(event, ByeEvent):
            self.bye = event
        if self._refusal is None or not self._survives(self._refusal):
            await self._show(event)

    async def _begin_connection(self, ready: ReadyEvent) -> None:
        if ready.resumed:
            self._kept.acknowledge(self._base_offset + ready.acknowledged_offset)
            self._kept.rewind(self._base_offset + ready.acknowledged_offset)
        elif self._readies > 0:
            await self._begin_anew()
        self.ready = ready
        self._session = ready if ready.resume_token is not None else None
        self._readies += 1
        self.connected = True
        await self._show(ready)

    async def _begin_anew(self) -> None:
        """A new session is open: it gets the audio behind the last committed word."""
        rate = self._start.sample_rate
        settled = round(self._settled_ms * rate / 1000)
        self._kept.rewind(settled)
        next_offset = self._kept.next_offset
        self._base_offset = self._offset if next_offset is None else next_offset
        if self._base_offset > settled:
            gap = Gap(settled, self._base_offset)
            self.gaps.append(gap)
            lost = round((gap.end_sample - gap.start_sample) * _SESSION_RATE / rate)
            self.lost_samples += lost
            start_ms = settled * 1000 / rate
            await self._show(LossEvent(start_ms=start_ms, lost_samples=lost, reason="gap"))
        self._timeline = Timeline(
            ms=self._base_offset * 1000 / rate,
            words=self.transcript.next_word_id,
            segments=self.transcript.next_segment_id,
            lost_samples=self.lost_samples,
        )

    def _settle(self, event: WordsEvent | SegmentEvent) -> None:
        committed = [word.end_ms for word in event.words if word.state != "tentative"]
        if isinstance(event, SegmentEvent):
            committed.append(event.end_ms)
        self._settled_ms = max(self._settled_ms, *committed, 0.0)
        self._kept.settle(round(self._settled_ms * self._start.sample_rate / 1000))

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


def _read_event(text: str | bytes) -> ServerEvent | None:
    """None for a type that came with a newer server. Raises ValidationError."""
    try:
        return SERVER_EVENT.validate_json(text)
    except ValidationError as error:
        if error.errors()[0]["type"] == "union_tag_invalid":
            return None
        raise
