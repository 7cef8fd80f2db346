"""A server that is found without its address, over this machine's loopback."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import Any

import pytest
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info
from zeroconf import ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from streamer.app import ServerOptions
from streamer.dialects.wyoming.announcement import SERVICE, AnnouncementError, announced
from tests.serving import ServerThread

LOOPBACK = "127.0.0.1"


class Home:
    """Looks for Wyoming servers, as Home Assistant does."""

    def __init__(self) -> None:
        self.zeroconf = AsyncZeroconf(interfaces=[LOOPBACK])
        self.changes: asyncio.Queue[tuple[ServiceStateChange, str]] = asyncio.Queue()
        self._browser = AsyncServiceBrowser(
            self.zeroconf.zeroconf, SERVICE, handlers=[self._changed]
        )

    def _changed(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        self.changes.put_nowait((state_change, name))

    async def until(self, change: ServiceStateChange, name: str = "") -> str:
        async with asyncio.timeout(20):
            while True:
                found, of = await self.changes.get()
                if found is change and name in of:
                    return of

    async def find(self, port: int) -> AsyncServiceInfo:
        """The server on that port; others may be about."""
        while True:
            info = AsyncServiceInfo(SERVICE, await self.until(ServiceStateChange.Added))
            if await info.async_request(self.zeroconf.zeroconf, 3_000) and info.port == port:
                return info

    async def close(self) -> None:
        await self._browser.async_cancel()
        await self.zeroconf.async_close()


async def test_a_server_is_found_and_gone_when_it_stops() -> None:
    home = Home()
    try:
        options = ServerOptions(wyoming_port=0, wyoming_zeroconf=True)
        with ServerThread(options) as server:
            port = int((server.server.wyoming_address or "").rpartition(":")[2])
            info = await home.find(port)
            assert info.name.startswith("streamer-")
            assert info.parsed_addresses() == [LOOPBACK]
            async with AsyncTcpClient(info.parsed_addresses()[0], port) as client:
                await client.write_event(Describe().event())
                event = await client.read_event()
                assert event is not None
                assert Info.from_event(event).asr[0].name == "streamer"
            stopping = asyncio.create_task(asyncio.to_thread(server.begin_stop))
            await home.until(ServiceStateChange.Removed, info.name)
            await stopping
    finally:
        await home.close()


async def test_without_the_library_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> Any:
        return None if name == "zeroconf" else real(name, package)

    monkeypatch.setattr("streamer.dialects.wyoming.announcement.find_spec", without)
    with pytest.raises(AnnouncementError, match=r"pip install 'streamer\[zeroconf\]'"):
        async with announced(LOOPBACK, 1):
            pass
