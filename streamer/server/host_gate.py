"""Turns away requests for a host that this server is not."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from streamer.hosting.options import ServerOptions
from streamer.server.access import host_is_known


class HostGate:
    """ASGI middleware, for pages and websockets alike.

    A page from elsewhere whose name was made to point at this machine (DNS rebinding) would pass
    as our own: the browser then sends its name as origin and as host.
    """

    def __init__(self, app: ASGIApp, options: ServerOptions) -> None:
        self._app = app
        self._options = options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            host = Headers(scope=scope).get("host")
            if not host_is_known(self._options, host):
                refusal = PlainTextResponse(
                    "this server does not answer for that host; if that is its name, start it "
                    "with --allow-host NAME\n",
                    status_code=421,
                )
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)
