"""Uvicorn's protocols, with an answer where they would hang up without one."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

import websockets.http11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import HeaderLineTooLong, RequestLineTooLong, TooManyHeaders

MAX_HEAD_BYTES: Final = 65_536
"""Of a request's first line and headers; our 100 key terms fit, whatever the script."""
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


class HttpProtocol(H11Protocol):
    """Says why when a request's head is too long."""

    def send_400_response(self, msg: str) -> None:
        head, _ = self.conn.trailing_data
        if len(head) <= MAX_HEAD_BYTES:
            super().send_400_response(msg)
            return
        has_first_line = b"\n" in head[:MAX_HEAD_BYTES]
        self.transport.write(
            _answer(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                if has_first_line
                else HTTPStatus.REQUEST_URI_TOO_LONG
            )
        )
        self.connections.discard(self)
        self.transport.set_protocol(_Farewell(self.transport, self.loop))


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

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        if transport.can_write_eof():
            transport.write_eof()
        self._timer = loop.call_later(_FAREWELL_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()


def _answer(status: HTTPStatus) -> bytes:
    body = f"{_ADVICE[status]}\n".encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body
