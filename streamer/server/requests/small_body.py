"""The body of a small request, and why it is refused."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import ErrorCode
from streamer.server.stream_server import StreamServer


class RefusedRequestError(Exception):
    """The message tells what to do."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status

    @classmethod
    def of(cls, error: ProtocolError) -> RefusedRequestError:
        return cls(error.message, 401 if error.code is ErrorCode.UNAUTHORIZED else 503)

    @property
    def answer(self) -> Response:
        return PlainTextResponse(f"{self}\n", status_code=self.status)


def check_access(server: StreamServer, request: Request) -> None:
    """Raises RefusedRequestError: who sent this may ask for nothing."""
    refusal = server.access_refusal(request.headers, request.query_params, ())
    if refusal is not None:
        raise RefusedRequestError.of(refusal)


async def small_body(server: StreamServer, request: Request, most_bytes: int, what: str) -> bytes:
    """
    Args:
        what: it is to be, in the words of the refusal.

    Raises:
        RefusedRequestError: it is empty, too large, too slow or cut short.
    """
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or not 0 < int(length) <= most_bytes:
        raise RefusedRequestError(f"send {what} of 1 to {most_bytes} bytes", 413)
    try:
        async with asyncio.timeout(server.options.body_timeout_s):
            return await request.body()
    except TimeoutError as error:
        raise RefusedRequestError(f"{what} did not come in time", 408) from error
    except ClientDisconnect as error:
        raise RefusedRequestError(f"{what} was cut short", 400) from error
