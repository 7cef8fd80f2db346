"""Tells Home Assistant and others in the network where Wyoming is served, so that nobody has to
type the address (multicast DNS, by the library zeroconf)."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from streamer.server.access import is_loopback

if TYPE_CHECKING:
    from zeroconf.asyncio import AsyncZeroconf

SERVICE: Final = "_wyoming._tcp.local."
_ALL: Final = frozenset({"0.0.0.0", "::"})
_MAX_NAME_BYTES: Final = 63


class AnnouncementError(RuntimeError):
    """Nothing can be announced; the message says why."""


def check_library() -> None:
    """Raises AnnouncementError."""
    if find_spec("zeroconf") is None:
        raise AnnouncementError("the library zeroconf is missing; pip install 'streamer[zeroconf]'")


@asynccontextmanager
async def announced(host: str, port: int) -> AsyncIterator[None]:
    """The service is announced meanwhile, as `streamer-` and this machine's name.

    Args:
        host: the address that is listened on; it is announced where that can be reached.

    Raises:
        AnnouncementError: the library is missing, or the network has no multicast.
    """
    check_library()
    try:
        announcer = await _announce(host, port)
    except OSError as error:
        raise AnnouncementError(f"the network takes no multicast: {error}") from error
    try:
        yield
    finally:
        await announcer.async_unregister_all_services()
        await announcer.async_close()


async def _announce(host: str, port: int) -> AsyncZeroconf:
    """Raises OSError."""
    from zeroconf import InterfaceChoice, IPVersion
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

    name = f"streamer-{socket.gethostname().partition('.')[0]}"[:_MAX_NAME_BYTES]
    info = AsyncServiceInfo(
        SERVICE,
        f"{name}.{SERVICE}",
        port,
        parsed_addresses=_reached_by(host),
        server=f"{name}.local.",
    )
    announcer = AsyncZeroconf(
        interfaces=InterfaceChoice.All if host in _ALL else [host],
        ip_version=IPVersion.All if ":" in host else IPVersion.V4Only,
    )
    try:
        # Another machine may have the name: then a number is added.
        await announcer.async_register_service(info, allow_name_change=True)
    except OSError:
        await announcer.async_close()
        raise
    return announcer


def _reached_by(host: str) -> list[str]:
    """The addresses that others connect to."""
    from zeroconf import get_all_addresses

    if host not in _ALL:
        return [host]
    addresses: list[str] = get_all_addresses()
    return [address for address in addresses if not is_loopback(address)] or addresses
