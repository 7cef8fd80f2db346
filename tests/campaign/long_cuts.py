"""Live speech over a network that is gone for 20, 55 and 70 seconds: the words of an uncut session.

    python -m tests.campaign.long_cuts

Longer than the server waits (60 s) the session itself is lost, and the client begins a new one with
what it has kept; its first words may be heard otherwise, as nothing stands before them.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from typing import Any, Final

import typer
from rapidfuzz.distance import Levenshtein

from benchmarks.common import RESULTS, OutOption, run, write_json
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.files import read_samples
from streamer.client.backoff import ReconnectOptions
from streamer.client.bundled import bundled_speech
from streamer.client.client import Client, connect
from streamer.protocol.messages import StartMessage
from streamer.transcript.wer import normalize
from tests.campaign.server import Server
from tests.campaign.speaking import endless, in_real_time
from tests.sockets import CuttingProxy, cutting_proxy

CUTS_S: Final = (0.0, 20.0, 55.0, 70.0)
"""The first is the uncut session."""
_BEFORE_S: Final = 20.0
_AFTER_S: Final = 40.0
_QUICK: Final = ReconnectOptions(first_delay_s=0.2, max_delay_s=1.0)


async def speak(url: str, speech: Floats, seconds: float, cut_s: float) -> Client:
    start = StartMessage(decoder="draft", emotion=False)
    async with cutting_proxy(url) as proxy, connect(proxy.url, start, reconnect=_QUICK) as client:
        breaking = asyncio.create_task(_break(proxy, cut_s))
        async for piece, sent in in_real_time(speech):
            await client.send_audio(piece)
            if sent >= seconds * SAMPLE_RATE:
                break
        await breaking
        await client.stop()
        return client


async def _break(proxy: CuttingProxy, cut_s: float) -> None:
    await asyncio.sleep(_BEFORE_S)
    if cut_s:
        proxy.refusing = True
        proxy.cut()
        await asyncio.sleep(cut_s)
        proxy.refusing = False


async def compared(url: str, speech: Floats) -> dict[str, Any]:
    seconds = _BEFORE_S + max(CUTS_S) + _AFTER_S
    uncut, *cut = await asyncio.gather(*(speak(url, speech, seconds, s) for s in CUTS_S))
    reference = normalize(uncut.transcript.text)
    return {
        "seconds": seconds,
        "words": len(reference),
        "cuts": [
            {
                "cut_s": cut_s,
                "lost_samples": client.lost_samples,
                "unlike_uncut": Levenshtein.distance(reference, normalize(client.transcript.text)),
            }
            for cut_s, client in zip(CUTS_S[1:], cut, strict=True)
        ],
    }


def main(out: OutOption = RESULTS / "campaign") -> None:
    speech = endless([read_samples(clip.path) for clip in bundled_speech()])
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        server = Server(log, ["--no-llm"])
        try:
            told = asyncio.run(compared(server.url, speech))
        finally:
            server.stop()
    write_json("tests.campaign.long_cuts", out, {}, told)
    typer.echo(json.dumps(told, indent=2))


app = run(main)

if __name__ == "__main__":
    app()
