"""A web server of this machine that plays files, radios and broken things."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Body = bytes | Sequence[bytes | None]
"""Bytes with their length; or pieces without one, where None waits for ever."""


@dataclass
class Page:
    body: Body = b""
    kind: str = "audio/mpeg"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def served(pages: Mapping[str, Page | Body], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of a server with pages by path."""
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = pages.get(self.path, Page(status=404))
            page = found if isinstance(found, Page) else Page(found)
            self.send_response(page.status)
            self.send_header("Content-Type", page.kind)
            for name, value in page.headers.items():
                self.send_header(name, value)
            if isinstance(page.body, bytes):
                self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            with suppress(ConnectionError):
                for piece in [page.body] if isinstance(page.body, bytes) else page.body:
                    if piece is None:
                        closing.wait()
                    else:
                        self.wfile.write(piece)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    finally:
        closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
