"""A replica's own port: there its clients go on, once Serve's proxy has let them in.

Every message through the proxy costs milliseconds, and all of a machine share its one event loop.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

import ray.util
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from streamer.app import web_config
from streamer.cluster.options import ClusterOptions
from streamer.runtime.listening import listener
from streamer.server.stream_server import StreamServer

_EVERYWHERE: Final = ("0.0.0.0", "::", "")
_PORTS: Final = 100
"""That are tried, from the first on: replicas of one machine need one each."""


class DirectPort:
    """Listens from the beginning on; serves from `serve` to `close`."""

    def __init__(self, options: ClusterOptions) -> None:
        """
        Raises:
            OSError: no port is free.
        """
        host = options.server.host
        self._listening = _listening(options)
        address = ray.util.get_node_ip_address() if host in _EVERYWHERE else host
        self.url = options.direct_url_of(
            f"[{address}]" if ":" in address else address,
            socket.gethostname(),
            self._listening.getsockname()[1],
        )
        """As clients are told; None: they are to stay with the proxy."""
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    def serve(self, server: StreamServer) -> None:
        """Returns at once."""
        app = Starlette(routes=[WebSocketRoute("/v1/stream", server.stream_directly)])
        host, port = self._listening.getsockname()[:2]
        self._server = uvicorn.Server(web_config(app, server, host, port))
        self._serving = asyncio.create_task(self._server.serve([self._listening]))

    async def close(self) -> None:
        """Once all sessions have ended."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await asyncio.wait({self._serving})
        self._listening.close()


def _listening(options: ClusterOptions) -> socket.socket:
    """Raises OSError."""
    first, server = options.direct_port, options.server
    last = first + _PORTS - 1 if first else 0
    for port in range(first, last):
        try:
            return listener(server.host, port, server.send_timeout_s)
        except OSError:
            continue
    return listener(server.host, last, server.send_timeout_s)
