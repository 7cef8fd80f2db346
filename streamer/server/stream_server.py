"""The websocket endpoints: admission, the connections that run, and their orderly end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from starlette.websockets import WebSocket

from streamer.hosting.options import ServerOptions
from streamer.hosting.session_registry import SessionRegistry
from streamer.hosting.session_store import SessionStore
from streamer.hosting.shared_store import SharedStore
from streamer.hosting.single_store import SingleStore
from streamer.protocol.errors import ProtocolError, others_stay, shutting_down
from streamer.protocol.messages import ErrorCode
from streamer.recognition.contract import RecognizerFactory
from streamer.runtime.metrics import ServerMetrics
from streamer.runtime.tracing import TraceWriter
from streamer.server.access import SUBPROTOCOL, origin_is_allowed, token_is_right
from streamer.server.connection import Connection, HandOver
from streamer.server.follower import Follower
from streamer.server.starlette_socket import StarletteSocket
from streamer.session.limits import SessionLimits
from streamer.session.places import Places
from streamer.session.runner import SessionRunner

logger = logging.getLogger(__name__)

_MOVING_EVERY_S: Final = 0.1


class Served(Protocol):
    """A client: a native connection, or one in another dialect."""

    async def run(self) -> None: ...

    def interrupt(self, error: ProtocolError) -> None:
        """End in order, soon, and tell the client why. Returns at once."""

    @property
    def undecided(self) -> bool:
        """It has not begun to speak, and holds no place."""


class StreamServer:
    """All sessions of one server, and what they share."""

    def __init__(self, engine: RecognizerFactory, options: ServerOptions) -> None:
        """
        Raises:
            OSError: the trace file cannot be written.
            StoreError: the store cannot be used.
        """
        self.metrics = ServerMetrics(engine.executor, options.replica)
        self.options = options
        self.engine = engine
        self._tracer = None if options.trace is None else TraceWriter(options.trace)
        if self._tracer is not None:
            engine.trace(self._tracer.session)
        self._running: dict[Served, asyncio.Task[None]] = {}
        self._following: set[asyncio.Task[None]] = set()
        limits = SessionLimits(
            outbox_events=options.outbox_events, max_backlog_s=options.max_backlog_s
        )
        self.places = Places(options.max_sessions, options.refuse_lag_ms)
        self.metrics.places.set(options.max_sessions)
        self.metrics.places_taken.set_function(lambda: self.places.taken)
        self.runner = SessionRunner(engine, self.places, limits, self.metrics, self._tracer)
        self._store = session_store(options)
        self.registry = SessionRegistry(engine, self.runner, options, self.metrics, self._store)
        self.draining = False
        self.moving = False
        """Everybody is sent to other servers."""
        self.wyoming_address: str | None = None
        """Where Wyoming clients are served."""

    @property
    def connections(self) -> int:
        """Clients that speak, or have not said yet what they want."""
        return len(self._running)

    @property
    def room(self) -> int:
        """Sessions that may begin now."""
        behind = self.places.overdue_ms() > self.options.refuse_lag_ms
        return 0 if behind or self.moving else self.places.free - self.registry.n_adopted

    async def stream(self, websocket: WebSocket) -> None:
        """`/v1/stream`."""
        refusal = self.access_refusal(
            websocket.headers, websocket.query_params, websocket.scope["subprotocols"]
        )
        await self._stream(websocket, refusal, self.options)

    async def stream_directly(self, websocket: WebSocket) -> None:
        """`/v1/stream` at `direct_url`. Its clients were let in elsewhere, under another address:
        the token of the session that they resume stands for the origin of their page."""
        refusal = self._token_refusal(
            websocket.headers, websocket.query_params, websocket.scope["subprotocols"]
        )
        here = replace(self.options, direct_url=None)
        await self._stream(websocket, refusal, here, may_start=False)

    async def _stream(
        self,
        websocket: WebSocket,
        refusal: ProtocolError | None,
        options: ServerOptions,
        *,
        may_start: bool = True,
    ) -> None:
        await websocket.accept(subprotocol=_spoken(websocket))
        socket = StarletteSocket(websocket)
        client = websocket.client.host if websocket.client is not None else ""
        connection = Connection(
            socket, self.registry, options, self.metrics, client, may_start=may_start
        )
        if refusal is not None:
            await connection.run(refusal)
            return
        await self.hold(connection)

    async def follow(self, websocket: WebSocket) -> None:
        """`/v1/follow?session=…`. The follow id itself is the permission to follow."""
        await websocket.accept(subprotocol=_spoken(websocket))
        follower = Follower(StarletteSocket(websocket), self.options, self.metrics)
        refusal = self._origin_refusal(websocket.headers)
        if refusal is None and self.draining:
            refusal = shutting_down()
        if refusal is None and len(self._following) >= self.options.max_followers:
            refusal = _too_many_followers("this server's sessions", self.options.max_followers)
        try:
            if refusal is not None:
                raise refusal
            hosted = self.registry.followed(websocket.query_params.get("session", ""))
            most = self.options.max_followers_per_session
            if hosted.n_followers >= most:
                raise _too_many_followers("this session", most)
        except ProtocolError as error:
            await follower.refuse(error)
            return
        task = asyncio.create_task(follower.run(hosted, self.registry.decoder(hosted.start)))
        self._following.add(task)
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
            await asyncio.wait({task})
            self._following.discard(task)
        if not task.cancelled():
            task.result()

    async def hold(self, client: Served) -> None:
        """Run a client that was not refused."""
        self._running[client] = task = asyncio.create_task(client.run())
        undecided = [client for client in self._running if client.undecided]
        # Newcomers must not wait for the silent; and the oldest may not hear that it must go.
        for oldest in undecided[: max(0, len(undecided) - self.options.max_undecided)]:
            oldest.interrupt(
                ProtocolError(
                    ErrorCode.IDLE_TIMEOUT,
                    "others waited while nothing was said here; connect again to speak",
                )
            )
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
            await asyncio.wait({task})
            del self._running[client]
        if not task.cancelled():  # else it outlived the grace period
            task.result()

    async def move_away(self, hand_over: HandOver, within_s: float) -> None:
        """Send everybody to other servers, then end.

        A native session goes at its next silence, whoever still speaks when the time is over then,
        and those whose clients are away at once; clients of other protocols, and with containers,
        get that time to end, and their finals.
        Who comes meanwhile is not refused, but sent on as soon.

        Args:
            hand_over: gives a session to another server.
        """
        self.moving = True
        deadline_s = time.monotonic() + within_s
        while self._running and time.monotonic() < deadline_s:
            self._move(hand_over, speaking=False)
            await self._move_parked(hand_over)
            await asyncio.sleep(_MOVING_EVERY_S)
        moved = self._move(hand_over, speaking=True)
        await self._move_parked(hand_over)
        await _ended(moved, time.monotonic() + self.options.shutdown_grace_s)
        await self.drain()

    async def _move_parked(self, hand_over: HandOver) -> None:
        """Under the ids that their clients, who are away, know."""
        for hosted in self.registry.parked:
            stored = await self.registry.hand_over(hosted)
            if stored is not None and await hand_over(stored, False) is not None:
                logger.info("session %s: moved while its client was away", stored.id)

    def _move(self, hand_over: HandOver, *, speaking: bool) -> list[asyncio.Task[None]]:
        moved = [
            (client, task)
            for client, task in self._running.items()
            if isinstance(client, Connection)
            and client.movable
            and (speaking or not client.in_speech)
        ]
        for client, _ in moved:
            client.move_away(hand_over)
        return [task for _, task in moved]

    async def drain(self) -> None:
        """Admit nobody any more, flush what runs; after the grace period, drop it."""
        self.draining = True
        why = others_stay() if self.moving else shutting_down()
        for client in self._running:
            client.interrupt(why)
        self.registry.finish(why)
        deadline_s = time.monotonic() + self.options.shutdown_grace_s
        late = await _ended(self._running.values(), deadline_s)
        if late:
            logger.warning("%d sessions did not end in time", late)
        await self.registry.close(deadline_s - time.monotonic())
        await _ended(self._following, deadline_s)

    async def close(self) -> None:
        """Drain, free the models, end the trace file."""
        await self.drain()
        await asyncio.to_thread(self.engine.close)
        if self._store is not None:
            await asyncio.to_thread(self._store.close)
        if self._tracer is not None:
            self._tracer.close()

    def refusal(
        self, headers: Mapping[str, str], query: Mapping[str, str], subprotocols: Sequence[str]
    ) -> ProtocolError | None:
        """Why whoever sent this request may not have a place; None if it may."""
        refusal = self.access_refusal(headers, query, subprotocols)
        if refusal is not None:
            return refusal
        try:
            self.places.check()
        except ProtocolError as error:
            return error
        return None

    def access_refusal(
        self, headers: Mapping[str, str], query: Mapping[str, str], subprotocols: Sequence[str]
    ) -> ProtocolError | None:
        """Why whoever sent this request may ask for nothing; None if it may."""
        return self._origin_refusal(headers) or self._token_refusal(headers, query, subprotocols)

    def _token_refusal(
        self, headers: Mapping[str, str], query: Mapping[str, str], subprotocols: Sequence[str]
    ) -> ProtocolError | None:
        if not token_is_right(self.options.token, headers, query, subprotocols):
            return ProtocolError(
                ErrorCode.UNAUTHORIZED,
                "token missing or wrong; send it as 'Authorization: Bearer …' or '?token=…'",
            )
        return shutting_down() if self.draining else None

    def _origin_refusal(self, headers: Mapping[str, str]) -> ProtocolError | None:
        if origin_is_allowed(self.options.allow_origin, headers):
            return None
        origin = headers.get("origin", "")[:200]
        return ProtocolError(
            ErrorCode.UNAUTHORIZED,
            f"pages from {origin} may not connect; start the server with "
            "--allow-origin to let them",
        )


def session_store(options: ServerOptions) -> SessionStore | None:
    """Where sessions outlive the server, if they do. Raises StoreError."""
    if options.shared_store is not None:
        return SharedStore(options.shared_store, options.resume_s)
    if options.store is not None:
        return SingleStore(options.store, options.resume_s)
    return None


def _spoken(websocket: WebSocket) -> str | None:
    return SUBPROTOCOL if SUBPROTOCOL in websocket.scope["subprotocols"] else None


def _too_many_followers(followed: str, most: int) -> ProtocolError:
    return ProtocolError(
        ErrorCode.TOO_MANY_FOLLOWERS,
        f"{most} clients follow {followed} already, and no more may; try again later",
    )


async def _ended(tasks: Iterable[asyncio.Task[None]], deadline_s: float) -> int:
    """Wait for tasks until a moment (monotonic), then cancel the rest; gives their number."""
    running = set(tasks)
    if not running:
        return 0
    _, late = await asyncio.wait(running, timeout=max(0.0, deadline_s - time.monotonic()))
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late)
    return len(late)
