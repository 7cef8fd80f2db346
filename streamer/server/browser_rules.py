"""What browsers are told about the server's answers: what our page may load, and which pages from
elsewhere may ask."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamer.hosting.options import ServerOptions

_SECURITY_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; media-src 'self' blob:; worker-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    # The page's address may carry the token.
    "referrer-policy": "no-referrer",
    "permissions-policy": "microphone=(self)",
}


class SecurityHeaders:
    """ASGI middleware: the page may load nothing from elsewhere."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY_HEADERS.items():
                    headers[name] = value
            await send(message)

        await self._app(scope, receive, send_with_headers)


def cross_origin(options: ServerOptions, exposed_headers: tuple[str, ...]) -> Middleware:
    """Lets the pages that may open websockets ask over HTTP too (CORS).

    Args:
        exposed_headers: what those pages may read beside the body.
    """
    return Middleware(
        CORSMiddleware,
        allow_origins=[origin.rstrip("/").lower() for origin in options.allow_origin],
        allow_methods=["GET", "POST"],
        allow_headers=["*"],  # the vendors' clients for browsers send their own
        expose_headers=exposed_headers,
        # A page of the internet may ask a server at home, as it may over a websocket.
        allow_private_network=True,
    )
