"""Six sessions in real time, each cut every four seconds, for hours.

    python -m tests.campaign.soak --minutes 120

Nothing may be lost, the cut sessions must hear what an uncut one hears, and from the tenth minute
on the server's memory and its computing for each second of audio must not grow.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from rapidfuzz.distance import Levenshtein

from benchmarks.common import RESULTS, OutOption, percentiles, run, write_json
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.files import read_samples
from streamer.client.backoff import ReconnectOptions
from streamer.client.bundled import bundled_speech
from streamer.client.client import Client, connect
from streamer.protocol.messages import LatencyEvent, StartMessage
from tests.campaign.server import Server
from tests.campaign.speaking import endless, in_real_time
from tests.sockets import cutting_proxy

SESSIONS: Final = 6
SETTLED_MIN: Final = 10
_HEARD: Final = ("vad", "encode", "decode")
_CUT_EVERY_S: Final = 4.0
_QUICK: Final = ReconnectOptions(first_delay_s=0.05, max_delay_s=0.5)


@dataclass(frozen=True, slots=True)
class Minute:
    """The server during one minute."""

    minute: int
    memory_mb: float
    computing: float
    """Seconds of computing for each second of audio, of all sessions."""
    step_ms: dict[str, float]
    """Percentiles of what a step took, queue left out."""


class Watch:
    """Cuts, and what the heartbeats tell of the steps."""

    def __init__(self) -> None:
        self.cuts = 0
        self.steps_ms: list[float] = []

    async def read(self, client: Client) -> None:
        async for event in client:
            if isinstance(event, LatencyEvent) and event.step_ms:
                self.steps_ms.append(
                    sum(ms for stage, ms in event.step_ms.items() if stage in _HEARD)
                )


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of one session."""

    lost_samples: int
    words: list[str]


async def speak(
    url: str, speech: Floats, seconds: float, watch: Watch, first_cut_s: float
) -> Heard:
    """One session in real time; cut now and then, unless `first_cut_s` lies behind its end."""
    start = StartMessage(decoder="draft")
    async with cutting_proxy(url) as proxy, connect(proxy.url, start, reconnect=_QUICK) as client:
        reader = asyncio.create_task(watch.read(client))
        next_cut_s = first_cut_s
        async for piece, sent in in_real_time(speech):
            await client.send_audio(piece)
            if sent >= next_cut_s * SAMPLE_RATE:
                next_cut_s += _CUT_EVERY_S
                watch.cuts += 1
                proxy.cut()
            if sent >= seconds * SAMPLE_RATE:
                break
        await client.stop()
        await reader
        return Heard(client.lost_samples, client.transcript.text.split())


async def soak(
    server: Server, speech: Floats, seconds: float
) -> tuple[list[Minute], dict[str, Any]]:
    """The minutes, and what came of the sessions."""
    watch = Watch()
    uncut = asyncio.create_task(speak(server.url, speech, min(seconds, 600), Watch(), float("inf")))
    sessions = [
        asyncio.create_task(speak(server.url, speech, seconds, watch, 1 + 0.6 * number))
        for number in range(SESSIONS)
    ]
    minutes: list[Minute] = []
    ended_s, computed_s = time.monotonic() + seconds, server.cpu_s
    while (left_s := ended_s - time.monotonic()) > 0 and server.alive:
        n_uncut, began_s = not uncut.done(), time.monotonic()
        await asyncio.sleep(min(60.0, left_s))
        audio_s = (time.monotonic() - began_s) * (SESSIONS + n_uncut)
        steps_ms, watch.steps_ms = watch.steps_ms, []
        before_s, computed_s = computed_s, server.cpu_s
        minutes.append(
            Minute(
                len(minutes) + 1,
                round(server.rss_mb, 1),
                round((computed_s - before_s) / audio_s, 4),
                percentiles(steps_ms),
            )
        )
        typer.echo(minutes[-1])
    heard = await asyncio.gather(*sessions)
    reference = (await uncut).words[:-10]  # its end is heard as an end
    return minutes, {
        "sessions": SESSIONS,
        "seconds": seconds,
        "cuts": watch.cuts,
        "lost_samples": sum(one.lost_samples for one in heard),
        "words": sum(len(one.words) for one in heard),
        "words_unlike_uncut": [
            Levenshtein.distance(one.words[: len(reference)], reference) for one in heard
        ],
        "compared_words": len(reference),
    }


def settled(minutes: Sequence[Minute]) -> dict[str, Any]:
    """The first and the last ten minutes behind the tenth, side by side."""
    rest = [minute for minute in minutes if minute.minute > SETTLED_MIN]
    if len(rest) < 20:
        return {}
    early, late = rest[:10], rest[-10:]

    def middle(some: Sequence[Minute]) -> dict[str, float]:
        return {
            "memory_mb": round(float(np.median([one.memory_mb for one in some])), 1),
            "computing": round(float(np.median([one.computing for one in some])), 4),
            "step_p50_ms": round(float(np.median([one.step_ms["p50"] for one in some])), 1),
            "step_p95_ms": round(float(np.median([one.step_ms["p95"] for one in some])), 1),
        }

    return {"first_10_min": middle(early), "last_10_min": middle(late)}


def main(
    minutes: Annotated[float, typer.Option(min=0.1, help="Of real time.")] = 120.0,
    out: OutOption = RESULTS / "campaign",
) -> None:
    speech = endless([read_samples(clip.path) for clip in bundled_speech()])
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        server = Server(log, ["--no-llm", "--max-sessions", "16"])
        try:
            told, heard = asyncio.run(soak(server, speech, minutes * 60))
        finally:
            code = server.stop()
        text = Path(log.name).read_text(encoding="utf-8", errors="replace")
    results = {
        **heard,
        "settled": settled(told),
        "tracebacks": text.count("Traceback (most recent call last)"),
        "exit_code": code,
        "minutes": [asdict(minute) for minute in told],
    }
    write_json("tests.campaign.soak", out, {"minutes": minutes}, results)
    typer.echo(json.dumps({**heard, "settled": results["settled"]}, indent=2))
    raise typer.Exit(bool(heard["lost_samples"]) or code != 0)


app = run(main)

if __name__ == "__main__":
    app()
