"""Who may connect: the token, and the web page's origin."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

SUBPROTOCOL: Final = "streamer.v1"
_TOKEN_PREFIXES: Final = ("token.", "openai-insecure-api-key.")
_SCHEMES: Final = frozenset({"bearer", "token"})


def token_is_right(
    expected: str | None,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    subprotocols: Sequence[str],
) -> bool:
    """Whether the request shows the token, in any of the places a client can put it:
    `Authorization: Bearer T` (or `Token T`, as Deepgram's clients do), `?token=T`, or, as
    browsers cannot set headers, the websocket subprotocol `token.T`, the subprotocols
    `token, T` or `bearer, T` (Deepgram), or `openai-insecure-api-key.T` (OpenAI). Takes the same
    time for every wrong token.
    """
    if expected is None:
        return True
    shown = [query.get("token", "")]
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() in _SCHEMES:
        shown.append(credentials.strip())
    for prefix in _TOKEN_PREFIXES:
        shown += [p.removeprefix(prefix) for p in subprotocols if p.startswith(prefix)]
    if len(subprotocols) == 2 and subprotocols[0].lower() in _SCHEMES:
        shown.append(subprotocols[1])
    matches = [secrets.compare_digest(t.encode(), expected.encode()) for t in shown]
    return any(matches)


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
