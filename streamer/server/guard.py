"""What a peer may do below the level of messages: how long for a request, how many pings. uvicorn
leaves these open; its protocol classes are narrowed here.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final
from urllib.parse import unquote

import h11
import uvicorn
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State

from streamer.hosting.options import ServerOptions
from streamer.server.connection_guard import ConnectionGuard
from streamer.server.http_protocol import HttpProtocol, WebSocketProtocol
from streamer.server.token_bucket import TokenBucket

logger = logging.getLogger(__name__)

_MAX_FRAGMENTS: Final = 1_024
"""Of one message; empty ones count too, which no limit of size would stop."""
_MAX_LISTENER_BYTES: Final = 4_096
"""Of a message on a websocket that is for listening; small ones are told that nobody hears them."""
_CLOSE_S: Final = 2.0
"""For a peer to take its leave, or what is left of an answer."""
_POLICY_VIOLATION: Final = 1008
_INVALID_DATA: Final = 1007
_TOO_BIG: Final = 1009


class GuardedConfig(uvicorn.Config):
    """uvicorn's settings, and the limits that the protocols below look up in them."""

    def __init__(
        self, app: Any, options: ServerOptions, listening: frozenset[str], **settings: Any
    ) -> None:
        """`listening`: paths of websockets whose clients have nothing to say."""
        super().__init__(app, http=GuardedHttp, ws=GuardedWebSocket, **settings)
        self.limits = options
        self.listening = listening
        self.guard = ConnectionGuard(options.max_connections)


class GuardedHttp(HttpProtocol):
    """Closes a connection that does not send a whole request in time."""

    config: GuardedConfig

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._refused = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if not self.config.guard.admit(transport):
            self._refused = True
            transport.write(
                b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n"
                b"content-type: text/plain\r\n\r\ntoo many connections; try again later\n"
            )
            transport.close()
            return
        super().connection_made(transport)
        self._expect_request(self.config.limits.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._refused:
            return
        self._stop_waiting()
        self.config.guard.leave(self.transport)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._refused:
            super().data_received(data)

    def handle_events(self) -> None:
        super().handle_events()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            self._stop_waiting()
            self.config.guard.settle(self.transport)

    def send_400_response(self, msg: str) -> None:
        self._stop_waiting()
        super().send_400_response(msg)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._stop_waiting()
        self.config.guard.settle(self.transport)
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing():
            self.config.guard.wait(self.transport)
            # No request can follow a body that was not read to its end.
            wait_s = self.config.limits.header_timeout_s if self._is_read else _CLOSE_S
            self._expect_request(wait_s)

    @property
    def _is_read(self) -> bool:
        return self.conn.their_state in (h11.DONE, h11.IDLE)

    def _expect_request(self, wait_s: float) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(wait_s, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if self.transport.is_closing():
            return
        if self.conn.our_state is h11.IDLE and self.cycle is None:
            self.transport.write(
                b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n"
                b"content-type: text/plain\r\n\r\nthe request did not come in time\n"
            )
        self.transport.close()


class GuardedWebSocket(WebSocketProtocol):
    """Bounds what a peer can make the server hold: pongs that it does not read, fragments."""

    config: GuardedConfig

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = _CLOSE_S
        self._control_frames = TokenBucket(self.config.limits.max_control_frames_per_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self.config.guard.leave(self.transport)
        super().connection_lost(exc)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        # Half a message may lie here for as long as its sender listens.
        if unquote(event.path.partition("?")[0]) in self.config.listening:
            self.conn.max_message_size = _MAX_LISTENER_BYTES

    def handle_ping(self) -> None:
        if not self._count_control_frame():
            return
        if self.writable.is_set():
            super().handle_ping()
        else:  # whoever does not read gets no pongs either
            self.conn.data_to_send()

    def handle_pong(self, event: Frame) -> None:
        if self._count_control_frame():
            super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= _MAX_FRAGMENTS:
            self._fail(_TOO_BIG, "too many fragments")
            return
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self._fail(_INVALID_DATA, "text must be UTF-8")
                return
        super().send_receive_event_to_app()

    def _count_control_frame(self) -> bool:
        if self._control_frames.take(self.loop.time()):
            return True
        self._fail(_POLICY_VIOLATION, "too many pings")
        return False

    def _fail(self, code: int, reason: str) -> None:
        # The peer's own close may have been read with what is wrong before it.
        if self.close_sent or self.conn.state is not State.OPEN or self.transport.is_closing():
            return
        logger.info("a websocket was closed: %s", reason)
        self.conn.send_close(code, reason)
        self.handle_parser_exception()
