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
from streamer.client.transport import read_event
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
    ) -> None:
        """
        Args:
            state: tells what to send, and takes in what is received.
            on_event: takes what the user should see; nothing is received until it returns.
            on_progress: called when something was sent, and at the end.
        """
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

    def wake_sender(self) -> None:
        """Something was added to the resend buffer."""
        self._more_to_send.set()

    async def run(self) -> str:
        """Use the websocket until it closes; gives the reason, empty if it closed in order.

        Raises:
            ValidationError, TranscriptError: the server breaks the protocol.
        """
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
            self._websocket.transport.abort()
            return "the server fell silent"
        finally:
            self.is_ready = False
            if self._sender is not None:
                self._sender.cancel()
                await asyncio.wait({self._sender})
            await self._websocket.close()
            await self._on_progress()

    async def _next_events(self) -> list[ServerEvent]:
        """What the next message means to the user."""
        event = read_event(await self._next_text())
        if isinstance(event, ReadyEvent):
            events = self._state.on_ready(event)
            self.is_ready = True
            self._sender = asyncio.create_task(self._send_buffered())
            return events
        shown = None if event is None else self._state.on_event(event)
        return [] if shown is None else [shown]

    async def _next_text(self) -> str | bytes:
        """Raises ConnectionClosed, and TimeoutError if the server seems to be gone."""
        while True:
            try:
                async with asyncio.timeout(self._stall_s):
                    return await self._websocket.recv()
            except TimeoutError:
                if self._state.may_resume and self._state.buffer.unacknowledged_samples > 0:
                    raise

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
