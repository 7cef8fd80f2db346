"""What browsers are told about the server's answers: what our page may load, and which pages from
elsewhere may ask."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamer.hosting.options import ServerOptions

_CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src {sockets}; "
    "img-src 'self' data:; media-src 'self' blob:; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SECURITY_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    # The page's address may carry the token.
    "referrer-policy": "no-referrer",
    "permissions-policy": "microphone=(self)",
}


class SecurityHeaders:
    """ASGI middleware: the page may load nothing from elsewhere; websockets alone may go to other
    addresses, where there are several servers."""

    def __init__(self, app: ASGIApp, options: ServerOptions) -> None:
        self._app = app
        # Each of several servers has a `direct_url` of its own, and any may serve the page.
        sockets = "'self' ws: wss:" if options.direct_url is not None else "'self'"
        policy = _CONTENT_POLICY.format(sockets=sockets)
        self._headers = {"content-security-policy": policy, **_SECURITY_HEADERS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
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
