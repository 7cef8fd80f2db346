"""Attacks on a running server beside a healthy session, all on this machine and bounded in time.

    python -m tests.campaign.campaign                # half an hour at most
    python -m tests.campaign.campaign --share 0.02   # a slice of every attack

For each attack: what it did, how late the healthy session's captions were meanwhile (p95 of its
lag), and how much memory the server had afterwards. Then hours of speech, made short: sessions
whose connection is cut every few seconds, which must lose nothing. At the end the server must
still stand, with no traceback in its log.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from benchmarks.common import RESULTS, OutOption, SeedOption, percentiles, run, write_json
from streamer.audio.arrays import Floats
from streamer.audio.files import read_samples
from streamer.client.bundled import bundled_speech
from streamer.client.client import Client, connect
from streamer.protocol.messages import LatencyEvent, StartMessage
from tests.campaign.attacks import ATTACKS, Attack, Target, newcomer_s
from tests.campaign.misfortunes import full_disk, starvation, wrong_clocks
from tests.campaign.server import Server
from tests.campaign.soak import soak
from tests.campaign.speaking import endless, in_real_time

MAX_LAG_MS: Final = 1_000.0
MAX_GROWTH_MB: Final = 50.0
MAX_NEWCOMER_S: Final = 1.0
_SOAK_S: Final = 240.0
MISFORTUNES: Final[dict[str, Attack]] = {
    "a machine too busy": starvation,
    "wrong clocks": wrong_clocks,
}
"""The first slows all: only what comes after it counts."""
_WARM_UP_S: Final = 120.0
_SHORTEST_S: Final = 12.0


class HealthySession:
    """Bundled speech in real time, over and over, and the lags that its heartbeats told."""

    def __init__(self) -> None:
        self.lags_ms: list[float] = []
        self.lost_samples = 0

    async def speak(self, url: str, speech: Floats) -> None:
        async with connect(url, StartMessage(decoder="draft", emotion=True)) as client:
            listener = asyncio.create_task(self._listen(client))
            try:
                async for piece, _ in in_real_time(speech):
                    await client.send_audio(piece)
            finally:
                self.lost_samples = client.lost_samples
                listener.cancel()

    async def _listen(self, client: Client) -> None:
        async for event in client:
            if isinstance(event, LatencyEvent):
                self.lags_ms.append(event.lag_ms)


@asynccontextmanager
async def beside(url: str, speech: Floats) -> AsyncIterator[HealthySession]:
    healthy = HealthySession()
    speaking = asyncio.create_task(healthy.speak(url, speech))
    try:
        await asyncio.sleep(2)
        healthy.lags_ms.clear()
        yield healthy
        if speaking.done():
            await speaking
    finally:
        speaking.cancel()
        await asyncio.wait({speaking})


async def campaign(server: Server, target: Target, speech: Floats) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    # Buffers and allocators fill: what grows after that is a leak.
    await soak(server, speech, max(_SHORTEST_S, _WARM_UP_S * target.share))
    warm_mb = server.rss_mb
    for name, attack in (ATTACKS | MISFORTUNES).items():
        before_mb = server.rss_mb
        async with beside(target.url, speech) as healthy:
            began_s = time.monotonic()
            told = await attack(target)
            seconds = time.monotonic() - began_s
            await asyncio.sleep(1.5)
        lag = percentiles(healthy.lags_ms)
        row = {
            "attack": name,
            **told,
            "seconds": round(seconds, 1),
            "healthy_lag_p95_ms": round(lag["p95"], 1),
            "healthy_lost_samples": healthy.lost_samples,
            "memory_growth_mb": round(server.rss_mb - before_mb, 1),
            "alive": server.alive,
        }
        typer.echo(row)
        rows.append(row)
    rows.append({"attack": "a full disk", **await full_disk()})
    typer.echo(rows[-1])
    _, told = await soak(server, speech, max(_SHORTEST_S, _SOAK_S * target.share))
    row = {"attack": "cuts", **told, "memory_growth_mb": round(server.rss_mb - warm_mb, 1)}
    rows.append(row | {"alive": server.alive, "newcomer_slowest_s": await newcomer_s(target)})
    typer.echo(rows[-1])
    return rows


def faults(rows: list[dict[str, Any]], log: str) -> list[str]:
    """What the campaign should not have found."""
    found = []
    for row in rows:
        name = row["attack"]
        if not row["alive"]:
            found.append(f"{name}: the server died")
        if row.get("no_close_frame"):
            found.append(f"{name}: {row['no_close_frame']} connections ended without a close frame")
        if row.get("sessions_without_words") or row.get("tracebacks"):
            found.append(f"{name}: it did not go on as if nothing had happened")
        if row.get("lost_samples") or row.get("healthy_lost_samples"):
            found.append(f"{name}: audio was lost")
        if row.get("lag_afterwards_ms", 0.0) > MAX_LAG_MS:
            found.append(f"{name}: {row['lag_afterwards_ms']:.0f} ms late afterwards")
        for what in ("newcomer_slowest_s", "slowest_s"):
            if row.get(what, 0.0) > MAX_NEWCOMER_S:
                found.append(f"{name}: {what} {row[what]:.1f}")
        if row.get("healthy_lag_p95_ms", 0.0) > MAX_LAG_MS and name not in MISFORTUNES:
            found.append(f"{name}: lag p95 {row['healthy_lag_p95_ms']:.0f} ms")
        # Beside six sessions the allocators need minutes to settle; less tells nothing.
        settled = row.get("seconds", 0.0) >= _WARM_UP_S or name != "cuts"
        if settled and row["memory_growth_mb"] > MAX_GROWTH_MB:
            found.append(f"{name}: memory grew by {row['memory_growth_mb']} MB")
    tracebacks = log.count("Traceback (most recent call last)")
    if tracebacks:
        found.append(f"{tracebacks} tracebacks in the log")
    return found


def main(
    share: Annotated[float, typer.Option(min=0.001, max=1.0, help="Of every attack.")] = 1.0,
    seed: SeedOption = 0,
    out: OutOption = RESULTS / "campaign",
) -> None:
    speech = endless([read_samples(clip.path) for clip in bundled_speech()])
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        port = _free_port()
        options = ["--no-llm", "--wyoming-port", str(port), "--max-sessions", "16"]
        server = Server(log, options)
        try:
            target = Target(server.url, port, share, seed)
            rows = asyncio.run(campaign(server, target, speech))
        finally:
            code = server.stop()
        text = Path(log.name).read_text(encoding="utf-8", errors="replace")
    found = faults(rows, text)
    results = {"attacks": rows, "faults": found, "log_lines": text.count("\n"), "exit_code": code}
    write_json("tests.campaign.campaign", out, {"share": share, "seed": seed}, results)
    (out / "campaign.log").write_text(text, encoding="utf-8")
    for fault in found:
        typer.echo(f"FAULT {fault}")
    raise typer.Exit(bool(found))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


app = run(main)

if __name__ == "__main__":
    app()
