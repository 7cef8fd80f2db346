"""What a server that listens says to the person who started it: where its page is, and for whom."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from streamer.server.access import is_loopback

_ALL: Final = frozenset({"0.0.0.0", "::", ""})
_ELSEWHERE: Final = {
    socket.AF_INET: "192.0.2.1",
    socket.AF_INET6: "2001:db8::1",
}
"""Addresses that documents use and nobody has."""
_ANY_PORT: Final = 9


@dataclass(frozen=True)
class Links:
    """The page's addresses."""

    host: str
    """What the server listens on."""
    token: str | None
    """Goes with each address; None: none is wanted, or it is not to be shown."""

    def lines(self, url: str) -> Iterator[str]:
        """
        Args:
            url: the page, as seen from this machine.
        """
        yield f"Captions: {self._with_token(url)}  (ctrl-C stops)"
        address = lan_address(self.host) if self.host in _ALL else None
        if address is not None:
            parts = urlsplit(url)
            shown = f"[{address}]" if ":" in address else address
            link = self._with_token(f"{parts.scheme}://{shown}:{parts.port}/")
            # Browsers say so nowhere: the page finds no microphone.
            hint = "" if parts.scheme == "https" else "  (its microphone needs --tls)"
            yield f"In this network: {link}{hint}"

    def _with_token(self, url: str) -> str:
        return url if self.token is None else f"{url}?token={quote(self.token, safe='')}"


def is_open_to_others(host: str) -> bool:
    """Whether other machines reach a server that listens there."""
    return not is_loopback(host)


def lan_address(host: str) -> str | None:
    """This machine's address in its network, of the kind of `host`; None if it is in none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing: the system only chooses the address that it would send from.
            probe.connect((_ELSEWHERE[family], _ANY_PORT))
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return address if is_open_to_others(address) else None
