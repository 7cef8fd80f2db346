"""A QR code of an address that the page shares, for phones. Made here, as the page loads nothing
from elsewhere.

The address lets whoever has it read along, so it comes in the body: proxies write the addresses of
requests into their logs.
"""

from __future__ import annotations

import asyncio
import io
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from streamer.protocol.messages import ErrorCode
from streamer.server.stream_server import StreamServer

_MAX_BYTES: Final = 500
"""Phones read larger codes badly; an address of ours has some 80."""
_QUIET_MODULES: Final = 4
"""The white margin that the standard asks for."""


class QrCodes:
    """`POST /v1/qr`: UTF-8 text in, SVG out. For those who may speak."""

    def __init__(self, server: StreamServer) -> None:
        self._server = server

    async def make(self, request: Request) -> Response:
        refusal = self._server.access_refusal(request.headers, request.query_params, ())
        if refusal is not None:
            status = 401 if refusal.code is ErrorCode.UNAUTHORIZED else 503
            return _refused(refusal.message, status)
        length = request.headers.get("content-length", "")
        if not length.isdecimal() or not 0 < int(length) <= _MAX_BYTES:
            return _refused(f"send a text of 1 to {_MAX_BYTES} bytes", 413)
        try:
            async with asyncio.timeout(self._server.options.body_timeout_s):
                text = (await request.body()).decode()
        except TimeoutError:
            return _refused("the text did not come in time", 408)
        except (UnicodeDecodeError, ClientDisconnect):
            return _refused("the text is no UTF-8, or was cut short", 400)
        svg = await asyncio.to_thread(_svg, text)
        return Response(svg, media_type="image/svg+xml", headers={"cache-control": "no-store"})


def _svg(text: str) -> bytes:
    """Without a size of its own: it fills whatever shows it."""
    import segno  # asked for rarely

    picture = io.BytesIO()
    code = segno.make_qr(text, error="m")
    code.save(picture, kind="svg", border=_QUIET_MODULES, light="#fff", omitsize=True)
    return picture.getvalue()


def _refused(why: str, status: int) -> Response:
    return PlainTextResponse(f"{why}\n", status_code=status)
