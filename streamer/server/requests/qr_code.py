"""A QR code of an address that the page shares, for phones. Made here, as the page loads nothing
from elsewhere.

The address lets whoever has it read along, so it comes in the body: proxies write the addresses of
requests into their logs.
"""

from __future__ import annotations

import asyncio
import io
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from streamer.server.requests.small_body import RefusedRequestError, check_access, small_body
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
        try:
            check_access(self._server, request)
            body = await small_body(self._server, request, _MAX_BYTES, "a text")
            text = body.decode()
        except RefusedRequestError as error:
            return error.answer
        except UnicodeDecodeError:
            return RefusedRequestError("the text is no UTF-8", 400).answer
        svg = await asyncio.to_thread(_svg, text)
        return Response(svg, media_type="image/svg+xml", headers={"cache-control": "no-store"})


def _svg(text: str) -> bytes:
    """Without a size of its own: it fills whatever shows it."""
    import segno  # asked for rarely

    picture = io.BytesIO()
    code = segno.make_qr(text, error="m")
    code.save(picture, kind="svg", border=_QUIET_MODULES, light="#fff", omitsize=True)
    return picture.getvalue()
