"""Where the server is, from whatever address people have of it."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

DEFAULT_ADDRESS: Final = "localhost:8765"
"""Of a `streamer serve` on this machine."""


def websocket_url(address: str) -> str:
    """The captions' websocket on a server.

    `host`, `host:port`, `http(s)://…` and `ws(s)://…` are understood; a path is kept.

    Raises:
        ValueError: this is no address.
    """
    found = re.fullmatch(r"(?:(https?|wss?)://)?([^\s/]*[^\s/:])(/\S*)?", address.strip())
    if found is None:
        raise ValueError(f"{address!r} is no address; give something like http://localhost:8765")
    scheme, host, path = found.groups()
    secure = scheme in ("https", "wss")
    path = path if path not in (None, "/") else "/v1/stream"
    return f"{'wss' if secure else 'ws'}://{host}{path}"


def resume_url(url: str, session_id: str) -> str:
    """The captions' websocket, as it is asked for to resume a session: where several servers are
    behind one address, that is how the right one is found."""
    return f"{url}{'&' if '?' in url else '?'}session={quote(session_id, safe='')}"
