"""Uvicorn's protocols, with an answer where they would hang up without one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

import h11
import websockets.http11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import HeaderLineTooLong, RequestLineTooLong, TooManyHeaders

MAX_HEAD_BYTES: Final = 65_536
"""Of a request's first line and headers; our 100 key terms fit, whatever the script."""
_HEAD_ENDS: Final = (b"\n\r\n", b"\n\n")
_FAREWELL_S: Final = 2.0
_ADVICE: Final = {
    HTTPStatus.REQUEST_URI_TOO_LONG: (
        f"the address is longer than {MAX_HEAD_BYTES} bytes; send fewer or shorter parameters"
    ),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (
        f"the headers have more than {MAX_HEAD_BYTES} bytes, or are too many; send fewer"
    ),
    HTTPStatus.BAD_REQUEST: "this is no websocket handshake that can be read",
}


def allow_long_lines() -> None:
    """Let the head of a handshake be as long as that of any request. Of its own accord the
    library cuts at 8 KiB a line, which it reads from `WEBSOCKETS_MAX_LINE_LENGTH` when it is
    imported: too early to be set here."""
    longest = max(websockets.http11.MAX_LINE_LENGTH, MAX_HEAD_BYTES)
    websockets.http11.MAX_LINE_LENGTH = longest


class _BoundedHttp(h11.Connection):
    """h11 measures a head only while it is incomplete: one that comes whole in one read could have
    any length."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, MAX_HEAD_BYTES)
        self.long_head = b""
        """The beginning of one that was too long."""

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        if self.their_state is h11.IDLE:
            unread, _ = self.trailing_data
            head = unread[:MAX_HEAD_BYTES]
            if len(unread) > MAX_HEAD_BYTES and not any(end in head for end in _HEAD_ENDS):
                self.long_head = head
                raise h11.RemoteProtocolError("the head is too long")
        return super().next_event()


class HttpProtocol(H11Protocol):
    """Says why when a request's head is too long."""

    conn: _BoundedHttp

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = _BoundedHttp()

    def send_400_response(self, msg: str) -> None:
        """Answers without h11, which would not for every request."""
        if self.conn.long_head:
            self.transport.write(_answer(_too_long(self.conn.long_head)))
            self.connections.discard(self)
            self.transport.set_protocol(_Farewell(self, self.transport, self.loop))
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):  # else it has its answer
            self.transport.write(_answer(HTTPStatus.BAD_REQUEST, msg))
        self.transport.close()


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Says why when a handshake cannot be read."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        error = self.conn.handshake_exc
        if error is None or self.handshake_initiated or self.transport.is_closing():
            return
        if isinstance(error, RequestLineTooLong):
            status = HTTPStatus.REQUEST_URI_TOO_LONG
        elif isinstance(error, HeaderLineTooLong | TooManyHeaders):
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        else:
            status = HTTPStatus.BAD_REQUEST
        self.transport.write(_answer(status))
        self.transport.close()


class _Farewell(asyncio.Protocol):
    """Lets the answer arrive: who closes a connection with bytes in it unread resets it."""

    def __init__(
        self,
        before: asyncio.Protocol,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`before`: the protocol that spoke so far; it is told of the end."""
        self._before = before
        with suppress(OSError):  # it is gone already
            transport.write_eof()
        self._timer = loop.call_later(_FAREWELL_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._before.connection_lost(exc)


def _too_long(head: bytes) -> HTTPStatus:
    has_first_line = b"\n" in head
    return (
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        if has_first_line
        else HTTPStatus.REQUEST_URI_TOO_LONG
    )


def _answer(status: HTTPStatus, advice: str = "") -> bytes:
    body = f"{advice or _ADVICE[status]}\n".encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body
