"""One connection of a session: the handshake, audio and commands out, events in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from streamer.client.backoff import ReconnectOptions
from streamer.client.resuming.resend_buffer import Command
from streamer.client.resuming.resumable_state import ResumableState
from streamer.client.transport import DirectWay, read_event
from streamer.protocol.messages import ReadyEvent, ServerEvent


class Connection:
    """Carries a session over one websocket, until that breaks or the session ends."""

    def __init__(
        self,
        websocket: ClientConnection,
        state: ResumableState,
        options: ReconnectOptions,
        on_event: Callable[[ServerEvent], Awaitable[None]],
        on_progress: Callable[[], Awaitable[None]],
        direct_way: DirectWay,
        before: Connection | None = None,
    ) -> None:
        """
        Args:
            state: tells what to send, and takes in what is received.
            on_event: takes what the user should see; nothing is received until it returns.
            on_progress: called when something was sent, and at the end.
            before: has the session until this one is ready; its `direct` is this one's websocket.
        """
        self.direct: ClientConnection | None = None
        """A websocket to the server itself, on which the session is to go on."""
        self.direct_url = ""
        self.is_ready = False
        """Whether the server takes audio."""
        self._websocket = websocket
        self._state = state
        self._stall_s = options.stall_s if options.give_up_s > 0 else None
        """A silence that breaks the connection; None where no other would follow."""
        self._on_event = on_event
        self._on_progress = on_progress
        self._more_to_send = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._direct_way = direct_way
        self._before = before
        self._receiving: asyncio.Task[str] | None = None
        self._waiting = False
        """For a message; what came must be told to the user."""
        self._leaving: asyncio.Task[None] | None = None

    def wake_sender(self) -> None:
        """Something was added to the resend buffer."""
        self._more_to_send.set()

    def abort(self) -> None:
        """Take no leave, which would end the session."""
        self._websocket.transport.abort()

    async def run(self) -> str:
        """Use the websocket until it closes, or until there is a `direct` one, and then leave it
        open; gives the reason, empty if it closed in order.

        Raises:
            ValidationError, TranscriptError: the server breaks the protocol.
        """
        self._receiving = asyncio.create_task(self._receive())
        try:
            await asyncio.wait({self._receiving})
            return "" if self._receiving.cancelled() else self._receiving.result()
        finally:
            self.is_ready = False
            tasks = [t for t in (self._receiving, self._sender, self._leaving) if t is not None]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self._drop_before()
            if self.direct is None:
                await self._websocket.close()
            await self._on_progress()

    async def _receive(self) -> str:
        """Raises ValidationError, TranscriptError."""
        try:
            with suppress(ConnectionClosed):  # the server has said why, and that is read below
                await self._websocket.send(self._state.handshake().model_dump_json())
            while True:
                for event in await self._next_events():
                    await self._on_event(event)
        except ConnectionClosed as closed:
            in_order = closed.rcvd is not None and closed.rcvd.code == 1000
            return "" if in_order else f"the connection broke: {closed}"
        except TimeoutError:
            self.abort()
            return "the server fell silent"

    async def _next_events(self) -> list[ServerEvent]:
        """What the next message means to the user."""
        event = read_event(await self._next_text())
        if isinstance(event, ReadyEvent):
            return self._begin(event)
        shown = None if event is None else self._state.on_event(event)
        return [] if shown is None else [shown]

    def _begin(self, ready: ReadyEvent) -> list[ServerEvent]:
        events = self._state.on_ready(ready)
        self.is_ready = True
        self._sender = asyncio.create_task(self._send_buffered())
        if self._before is not None:
            self._direct_way.works(self._before.direct_url)
            self._drop_before()
            return events if not ready.resumed else []  # nothing has changed for the user
        if self._state.may_resume and ready.direct_url is not None:
            self.direct_url = ready.direct_url
            self._leaving = asyncio.create_task(self._leave())
        return events

    async def _leave(self) -> None:
        assert self._receiving is not None
        websocket = await self._direct_way.open(self.direct_url)
        if websocket is None:
            return
        if self._state.bye is not None or self._state.refusal is not None:
            await websocket.close()
            return
        self.direct = websocket
        if self._waiting:
            self._receiving.cancel()

    def _drop_before(self) -> None:
        if self._before is not None:
            self._before.abort()

    async def _next_text(self) -> str | bytes:
        """Raises ConnectionClosed, TimeoutError if the server seems to be gone, and CancelledError
        if another connection goes on; it will be told again what this one was told last."""
        while True:
            if self.direct is not None:
                raise asyncio.CancelledError
            self._waiting = True
            try:
                async with asyncio.timeout(self._stall_s):
                    return await self._websocket.recv()
            except TimeoutError:
                if self._state.may_resume and self._state.buffer.unacknowledged_samples > 0:
                    raise
            finally:
                self._waiting = False

    async def _send_buffered(self) -> None:
        seq = 0
        with suppress(ConnectionClosed):  # the receiving side learns why
            while True:
                item = self._state.buffer.take()
                if item is None:
                    self._more_to_send.clear()
                    await self._more_to_send.wait()
                elif isinstance(item, Command):
                    await self._websocket.send(item.message.model_dump_json())
                else:
                    await self._websocket.send(self._state.frame(seq, item))
                    seq += 1
                await self._on_progress()
