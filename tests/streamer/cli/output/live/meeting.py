"""A meeting as Zoom's caption address stands for it, on a loopback port."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

SECRET = "id=200610693&ns=GZHkEA==&expire=86400&spparams=id%2Cns%2Cexpire&signature=nYtX%2F"


class Meeting:
    """Takes posts in order; answers the next ones with `failures`, if there are any."""

    def __init__(self, last_seq: int | None) -> None:
        self.last_seq = last_seq
        self.failures: list[int] = []
        self.texts: list[str] = []
        self.refused: list[int] = []
        """The numbers of posts that were not taken."""
        self.languages: set[str] = set()
        self.most_at_once = 0
        self.url = ""
        self._at_once = 0
        self._lock = threading.Lock()

    def take(self, seq: int, language: str, text: str) -> int:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self.failures:
                self.refused.append(seq)
                return self.failures.pop(0)
            assert seq == (0 if self.last_seq is None else self.last_seq + 1)
            self.last_seq = seq
            self.languages.add(language)
            self.texts.append(text)
            return 200
        finally:
            with self._lock:
                self._at_once -= 1


@contextmanager
def meeting(last_seq: int | None = None) -> Iterator[Meeting]:
    """
    Args:
        last_seq: of captions that somebody sent before; None: nobody did, and it is not told.
    """
    held = Meeting(last_seq)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, query = self._asked()
            known = path == "/closedcaption/seq" and query == SECRET and last_seq is not None
            self._answer(200 if known else 404, str(held.last_seq))

        def do_POST(self) -> None:
            path, query = self._asked()
            assert (path, query[: len(SECRET)]) == ("/closedcaption", SECRET)
            assert self.headers["Content-Type"] == "text/plain; charset=utf-8"
            asked = parse_qs(query)
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer(held.take(int(asked["seq"][0]), asked["lang"][0], text), "")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Tests are silent."""

        def _asked(self) -> tuple[str, str]:
            parts = urlsplit(self.path)
            return parts.path, parts.query

        def _answer(self, status: int, body: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    held.url = f"http://127.0.0.1:{server.server_port}/closedcaption?{SECRET}"
    try:
        yield held
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
