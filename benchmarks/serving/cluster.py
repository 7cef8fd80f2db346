"""What Ray Serve's proxy costs a message.

A message is a second `start`, which the server answers at once: its way there and back, of several
connections side by side, is measured against a server without Ray. Clients, proxy and controller
run on the same machine.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final

import psutil
import typer
from matplotlib.figure import Figure
from rich.table import Table
from websockets.asyncio.client import connect

from benchmarks.common import Setup, figure, percentiles, run_speech, style
from benchmarks.serving.local_cluster import local_cluster
from benchmarks.serving.server_process import server_process
from streamer.client.address import websocket_url
from streamer.cluster.options import ClusterOptions
from streamer.hosting.options import ServerOptions
from streamer.recognition.engine import EngineOptions

_EVERY_S: Final = 0.1
_MAX_SESSIONS: Final = 64


@dataclass(frozen=True, slots=True)
class ServedCluster:
    """One replica, and the proxy before it."""

    url: str
    proxy: psutil.Process

    def proxy_cpu_s(self) -> float:
        """CPU seconds used so far."""
        times = self.proxy.cpu_times()
        return float(times.user + times.system)


@contextmanager
def served_cluster() -> Iterator[ServedCluster]:
    """Raises ImportError: there is no Ray."""
    options = ClusterOptions(
        server=ServerOptions(max_sessions=_MAX_SESSIONS),
        engine=EngineOptions(threads=1, llm=False),
        cpus=1.0,
        move_within_s=0.0,
    )
    with local_cluster(options) as cluster:
        children = psutil.Process().children(recursive=True)
        (proxy,) = (one for one in children if "ProxyActor" in " ".join(one.cmdline()))
        yield ServedCluster(cluster.url, proxy)


async def round_trips_ms(
    url: str, connections: int, seconds: float, *, directly: bool = False
) -> list[float]:
    """Of messages on so many connections at once.

    Args:
        directly: sessions that began at `url` go on at their server's own address.
    """
    address = websocket_url(url)

    async def one(index: int) -> list[float]:
        await asyncio.sleep(index * _EVERY_S / connections)
        taken = []
        async with AsyncExitStack() as stack:
            websocket = await stack.enter_async_context(connect(address, ping_timeout=None))
            await websocket.send('{"type":"start"}')
            ready = json.loads(await websocket.recv())
            if directly:
                direct = connect(ready["direct_url"], ping_timeout=None)
                websocket = await stack.enter_async_context(direct)
                told = {name: ready[name] for name in ("session_id", "resume_token")}
                await websocket.send(json.dumps({"type": "resume", **told}))
                await websocket.recv()
            until_s = time.monotonic() + seconds
            while time.monotonic() < until_s:
                sent_ns = time.perf_counter_ns()
                await websocket.send('{"type":"start"}')
                while json.loads(await websocket.recv())["type"] != "error":
                    pass
                taken.append((time.perf_counter_ns() - sent_ns) / 1e6)
                await asyncio.sleep(_EVERY_S)
            await websocket.close()
        return taken

    return [ms for some in await asyncio.gather(*map(one, range(connections))) for ms in some]


def measured(
    url: str,
    counts: Sequence[int],
    seconds: float,
    *,
    directly: bool = False,
    proxy_cpu_s: Callable[[], float] | None = None,
) -> dict[str, dict[str, float]]:
    """Connections to percentiles, and perhaps to what a message, either way, costs the proxy."""
    told = {}
    for count in counts:
        before_s = proxy_cpu_s() if proxy_cpu_s is not None else 0.0
        taken = asyncio.run(round_trips_ms(url, count, seconds, directly=directly))
        told[str(count)] = percentiles(taken, (50, 95, 99))
        if proxy_cpu_s is not None:
            cost_ms = (proxy_cpu_s() - before_s) * 1000 / (2 * len(taken))
            told[str(count)]["proxy_cpu_ms_a_message"] = round(cost_ms, 3)
    return told


def table(results: Mapping[str, Any]) -> Table:
    """The summary for people."""
    shown = Table(title="Ray Serve")
    for column in ("server", "connections", "message p50 ms", "p95"):
        shown.add_column(column, justify="left" if column == "server" else "right")
    for server, told in results["round_trip_ms"].items():
        for count, ms in told.items():
            shown.add_row(server, count, str(ms["p50"]), str(ms["p95"]))
    return shown


def draw(results: Mapping[str, Any]) -> Figure:
    """A message's way."""
    picture = figure(6, 4.2)
    way = picture.subplots()
    for server, told in results["round_trip_ms"].items():
        way.plot(list(told), [ms["p95"] for ms in told.values()], "o-", label=server)
    way.legend(frameon=False)
    style(way, "A message there and back, p95", "connections", "ms")
    return picture


def main(
    setup: Setup,
    message_seconds: Annotated[float, typer.Option(min=1, help="Of messages, each time.")] = 10,
    connections: Annotated[int, typer.Option(min=1, help="At most.")] = 64,
) -> None:
    counts = [2**i for i in range(0, connections.bit_length(), 3)]
    with server_process("no_llm", threads=1, max_sessions=_MAX_SESSIONS) as server:
        ways = {"without Ray": measured(server.url, counts, message_seconds)}
    with served_cluster() as cluster:
        proxy_cpu_s = cluster.proxy_cpu_s
        through = measured(cluster.url, counts, message_seconds, proxy_cpu_s=proxy_cpu_s)
        ways["through the proxy"] = through
        ways["around the proxy"] = measured(cluster.url, counts, message_seconds, directly=True)
    results = {"round_trip_ms": ways}
    parameters = {"message_seconds": message_seconds, "connections": connections}
    notes = ["clients, proxy and Ray's controller run on the same machine as the replica"]
    setup.publish("serving.cluster", parameters, results, draw(results), table(results), notes)


app = run_speech(main)

if __name__ == "__main__":
    app()
