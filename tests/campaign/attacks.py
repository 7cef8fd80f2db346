"""What strangers and bad luck do to a server. Loopback only; each attack is bounded."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from streamer.client.backoff import ReconnectOptions
from streamer.client.client import connect
from streamer.protocol.messages import StartMessage
from tests.campaign.malformed import Entrance, bad_query, entrances
from tests.faults.raw import PING, TEXT, message
from tests.faults.raw import open_websocket as open_raw_websocket

_PATIENCE_S: Final = 30.0
_MESSAGES_A_CONNECTION: Final = 40
_WORKERS: Final = 8
"""At each entrance."""
_BETWEEN_S: Final = 0.001
"""So that a server that closes is noticed: what is sent behind that nobody reads."""
_QUICK: Final = ReconnectOptions(first_delay_s=0.01, max_delay_s=0.2)


@dataclass(frozen=True)
class Target:
    """A server on this machine."""

    url: str
    """Of the native websocket."""
    wyoming_port: int
    share: float
    """Of the whole attack that is wanted."""
    seed: int

    @property
    def root(self) -> str:
        """`ws://host:port`."""
        return self.url.removesuffix("/v1/stream")

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    def times(self, whole: int) -> int:
        return max(1, round(whole * self.share))


Attack = Callable[[Target], Awaitable[Mapping[str, float]]]


async def malformed(target: Target) -> Mapping[str, float]:
    """Messages with something wrong, at every entrance, several connections at once."""
    counts = {"messages": 0, "no_close_frame": 0}
    whole = target.times(100_000)
    per_entrance = whole // len(entrances())

    async def attack(entrance: Entrance, number: int) -> None:
        rng = random.Random(f"{target.seed} {entrance.name} {number}")
        left = per_entrance // _WORKERS
        while left > 0:
            sent = min(left, _MESSAGES_A_CONNECTION)
            messages = [entrance.message(rng) for _ in range(sent)]
            if entrance.path:
                left -= await _over_websocket(target.root + entrance.path, messages, counts)
            else:
                left -= await _over_tcp(target, messages, counts)

    await asyncio.gather(
        *(attack(entrance, n) for entrance in entrances() for n in range(_WORKERS))
    )
    return counts


async def _over_websocket(url: str, messages: list[str | bytes], counts: dict[str, int]) -> int:
    """Send until the server closes; it must do so with a close frame. Gives the number sent."""
    sent = 0
    try:
        async with open_websocket(url, max_size=None, open_timeout=_PATIENCE_S) as websocket:
            reader = asyncio.create_task(_drain(websocket))
            try:
                for message in messages:
                    sent += 1
                    with suppress(UnicodeEncodeError):  # what no websocket can carry
                        await websocket.send(message)
                    await asyncio.sleep(_BETWEEN_S)
                await websocket.close()  # while somebody reads, else its answer is not seen
            except ConnectionClosed as closed:
                counts["no_close_frame"] += closed.rcvd is None
            reader.cancel()
    except (InvalidStatus, TimeoutError, OSError, WebSocketException):
        sent = max(1, sent)
    counts["messages"] += sent
    return max(1, sent)


async def _drain(websocket: Any) -> None:
    with suppress(ConnectionClosed):
        async for _ in websocket:
            pass


async def _over_tcp(target: Target, messages: list[str | bytes], counts: dict[str, int]) -> int:
    sent = 0
    with suppress(OSError):
        reader, writer = await asyncio.open_connection(target.address[0], target.wyoming_port)
        drain = asyncio.create_task(reader.read())
        for message in messages:
            sent += 1
            writer.write(message.encode() if isinstance(message, str) else message)
            await writer.drain()
            await asyncio.sleep(_BETWEEN_S)
            if drain.done():
                break
        writer.close()
        await asyncio.wait({drain}, timeout=_PATIENCE_S)
        drain.cancel()
    counts["messages"] += max(1, sent)
    return max(1, sent)


async def bad_queries(target: Target) -> Mapping[str, float]:
    """Handshakes that ask for what cannot be had. Each must be answered at once."""
    rng = random.Random(target.seed)
    slowest_s, n = 0.0, target.times(2_000)
    for _ in range(n):
        path = rng.choice(["/v1/listen", "/v1/realtime", "/v1/follow", "/v1/stream"])
        began_s = time.monotonic()
        with suppress(WebSocketException, TimeoutError, OSError):
            async with open_websocket(f"{target.root}{path}?{bad_query(rng)}", open_timeout=15):
                pass
        slowest_s = max(slowest_s, time.monotonic() - began_s)
    return {"handshakes": n, "slowest_s": slowest_s}


async def silent_sockets(target: Target) -> Mapping[str, float]:
    """Connections that say nothing or half a request; newcomers must be served all the same."""
    halves = (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET /v1/stream HTTP/1.1\r\n")
    sockets: list[socket.socket] = []
    slowest_s = 0.0
    try:
        for number in range(target.times(2_000)):
            silent = socket.create_connection(target.address, timeout=5)
            sockets.append(silent)
            with suppress(OSError):
                silent.sendall(halves[number % len(halves)])
            if number % 200 == 199 or number == 0:
                await asyncio.sleep(0.01)
                slowest_s = max(slowest_s, await newcomer_s(target))
        slowest_s = max(slowest_s, await newcomer_s(target))
    finally:
        for silent in sockets:
            silent.close()
    return {"sockets": len(sockets), "newcomer_slowest_s": slowest_s}


async def newcomer_s(target: Target) -> float:
    """Until a new client may speak."""
    began_s = time.monotonic()
    async with connect(target.url, StartMessage(decoder="draft"), reconnect=_QUICK):
        return time.monotonic() - began_s


async def silent_websockets(target: Target) -> Mapping[str, float]:
    """Websockets at every entrance, opened and left; the Wyoming port too."""
    paths = [entrance.path for entrance in entrances() if entrance.path]
    async with AsyncExitStack() as opened:
        n = target.times(200)
        for number in range(n):
            with suppress(WebSocketException, OSError, TimeoutError):
                await opened.enter_async_context(
                    open_websocket(target.root + paths[number % len(paths)], close_timeout=0.1)
                )
            with suppress(OSError):
                _, writer = await asyncio.open_connection(target.address[0], target.wyoming_port)
                opened.callback(writer.close)
        return {"websockets": n, "newcomer_slowest_s": await newcomer_s(target)}


async def ping_flood(target: Target) -> Mapping[str, float]:
    """Pings without pause from a client that does not read the pongs."""
    ended = time.monotonic() + max(2.0, 60 * target.share)
    sent = 0
    while time.monotonic() < ended:
        raw = await asyncio.to_thread(open_raw_websocket, target.url)
        with raw:
            raw.settimeout(1.0)
            with suppress(OSError):
                while time.monotonic() < ended:
                    await asyncio.to_thread(raw.sendall, message(PING, b"p" * 125) * 100)
                    sent += 100
    return {"pings": sent}


async def slow_readers(target: Target) -> Mapping[str, float]:
    """Clients that ask for answers all the time and read none."""
    ended = time.monotonic() + max(2.0, 60 * target.share)
    sent = 0
    while time.monotonic() < ended:
        with await asyncio.to_thread(open_raw_websocket, target.url) as raw:
            raw.settimeout(1.0)
            start = message(TEXT, b'{"type":"start"}')
            with suppress(OSError):
                raw.sendall(start)
                while time.monotonic() < ended:
                    await asyncio.to_thread(raw.sendall, start * 20)
                    sent += 20
                    await asyncio.sleep(0.1)
    return {"messages": sent}


async def half_uploads(target: Target) -> Mapping[str, float]:
    """Uploads that never end; sessions must still find places, or be told that there are none."""
    head = (
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000000\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
        b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    )
    sockets = [socket.create_connection(target.address, timeout=5) for _ in range(20)]
    try:
        for one in sockets:
            with suppress(OSError):
                one.sendall(head + b"\0" * 1_000_000)
        await asyncio.sleep(12)  # past the deadline of a body
        return {"uploads": len(sockets), "newcomer_slowest_s": await newcomer_s(target)}
    finally:
        for one in sockets:
            one.close()


ATTACKS: Final[dict[str, Attack]] = {
    "malformed messages": malformed,
    "handshakes that ask for nonsense": bad_queries,
    "silent connections": silent_sockets,
    "silent websockets": silent_websockets,
    "pings without pause": ping_flood,
    "clients that do not read": slow_readers,
    "uploads that never end": half_uploads,
}
