"""Who may connect: the token, the web page's origin, and the name it calls the server by."""

from __future__ import annotations

import base64
import ipaddress
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from streamer.hosting.options import ServerOptions

SUBPROTOCOL: Final = "streamer.v1"
_TOKEN_PREFIXES: Final = ("token.", "openai-insecure-api-key.")
_ENCODED_PREFIX: Final = "token64."
"""Subprotocols are made of few characters: none of `/`, `=`, `,` and the like."""
_SCHEMES: Final = frozenset({"bearer", "token"})


def token_is_right(
    expected: str | None,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    subprotocols: Sequence[str],
) -> bool:
    """Whether the request shows the token, in any of the places a client can put it:
    `Authorization: Bearer T` (or `Token T`, as Deepgram's clients do), `?token=T`, or, as
    browsers cannot set headers, the websocket subprotocols `token64.B` (B is T in base64url) or
    `token.T`, the subprotocols `token, T` or `bearer, T` (Deepgram), or
    `openai-insecure-api-key.T` (OpenAI). Takes the same time for every wrong token.
    """
    if expected is None:
        return True
    shown = _shown_tokens(headers, query, subprotocols)
    matches = [secrets.compare_digest(t, expected.encode()) for t in shown]
    return any(matches)


def _shown_tokens(
    headers: Mapping[str, str], query: Mapping[str, str], subprotocols: Sequence[str]
) -> Iterator[bytes]:
    in_query = query.get("token", "").encode()
    yield in_query
    yield in_query.replace(b" ", b"+")  # a plus sign that nobody encoded arrives as a space
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() in _SCHEMES:
        yield credentials.strip().encode()
    for offered in subprotocols:
        if offered.startswith(_ENCODED_PREFIX):
            yield _decoded(offered.removeprefix(_ENCODED_PREFIX))
        for prefix in _TOKEN_PREFIXES:
            if offered.startswith(prefix):
                yield offered.removeprefix(prefix).encode()
    if len(subprotocols) == 2 and subprotocols[0].lower() in _SCHEMES:
        yield subprotocols[1].encode()


def _decoded(base64url: str) -> bytes:
    """Empty if it is none. The padding may be missing: subprotocols have no sign for it."""
    try:
        return base64.urlsafe_b64decode(base64url + "=" * (-len(base64url) % 4))
    except ValueError:
        return b""


def origin_is_allowed(allowed: Sequence[str], headers: Mapping[str, str]) -> bool:
    """Whether the page that connects may: one this server served, or one that was allowed.

    Programs send no origin and always may; the token is what keeps them out.
    """
    origin = headers.get("origin")
    if origin is None or "*" in allowed:
        return True
    if origin.rstrip("/").lower() in {o.rstrip("/").lower() for o in allowed}:
        return True
    try:
        page_host = urlsplit(origin).netloc.lower()
    except ValueError:  # not a URL
        return False
    return page_host != "" and page_host == headers.get("host", "").lower()


def host_is_known(options: ServerOptions, host: str | None) -> bool:
    """Whether a request may call the server by this `Host`, with whatever port.

    Listening on a loopback address the server goes by the names of that alone, and by those that
    were allowed: as hosts, or as the hosts of allowed pages. Listening elsewhere it goes by any
    name, unless some were allowed. Browsers always send one.
    """
    allowed = {name.lower() for name in options.allow_host}
    if host is None or "*" in allowed or not (allowed or is_loopback(options.host)):
        return True
    name = _name_in(host)
    pages = {_host_of(origin) for origin in options.allow_origin if origin != "*"}
    return is_loopback(name) or name in allowed or name in pages


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).hostname
    except ValueError:  # not a URL
        return None


def _name_in(host: str) -> str:
    """In lower case, without the port; empty if there is none."""
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        return name if bracket and (not port or port.startswith(":")) else ""
    return host.partition(":")[0].removesuffix(".").lower()


def is_loopback(name: str) -> bool:
    """Whether a name or address means the machine itself."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
