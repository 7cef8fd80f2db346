"""A server that is killed in the middle of speech, again and again, and started anew each time.

    python -m tests.campaign.kills --kills 20

With `--store` its client must come back to the same session, and of the words that it was told as
committed none may be lost, changed or told twice. Beside them stands what an undisturbed session
hears: words at a kill are heard again from where the last committed word ends.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rapidfuzz.distance import Levenshtein

from benchmarks.common import RESULTS, OutOption, SeedOption, percentiles, run, write_json
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.files import read_samples
from streamer.client.backoff import ReconnectOptions
from streamer.client.bundled import bundled_speech
from streamer.client.client import Client, connect
from streamer.protocol.messages import ReadyEvent, StartMessage, WordsEvent
from streamer.protocol.words import WireWord
from streamer.transcript.wer import normalize
from tests.campaign.server import Server
from tests.campaign.speaking import endless, in_real_time

_QUICK: Final = ReconnectOptions(first_delay_s=0.1, max_delay_s=0.5)


class Told:
    """What the client was told as committed, as it came."""

    def __init__(self) -> None:
        self.words: list[WireWord] = []
        self.sessions: list[str] = []
        self.back_after_s: list[float] = []
        self._killed_s = 0.0

    def killed(self) -> None:
        self._killed_s = time.monotonic()

    async def read(self, client: Client) -> None:
        async for event in client:
            if isinstance(event, ReadyEvent):
                self.sessions.append(event.session_id)
                if self._killed_s:
                    self.back_after_s.append(time.monotonic() - self._killed_s)
            elif isinstance(event, WordsEvent):
                self.words += [word for word in event.words if word.state != "tentative"]


async def speak(url: str, speech: Floats, told: Told, ended: asyncio.Event) -> tuple[Client, int]:
    """Say the speech over and over, in real time, until it is told to end; gives the samples
    said."""
    async with connect(url, StartMessage(decoder="draft"), reconnect=_QUICK) as client:
        reader = asyncio.create_task(told.read(client))
        said = 0
        async for piece, sent in in_real_time(speech):
            await client.send_audio(piece)
            said = sent
            if ended.is_set():
                break
        await client.stop()
        await reader
        return client, said


async def killed(
    log: Any, options: list[str], speech: Floats, kills: int, seed: int
) -> dict[str, Any]:
    """What came of the session whose server was killed."""
    rng = random.Random(seed)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    server = await asyncio.to_thread(Server, log, options, port)
    told, ended = Told(), asyncio.Event()
    speaking = asyncio.create_task(speak(server.url, speech, told, ended))
    try:
        for _ in range(kills):
            await asyncio.sleep(rng.uniform(2.0, 6.0))
            n_ready = len(told.sessions)
            told.killed()
            await asyncio.to_thread(server.kill)
            server = await asyncio.to_thread(Server, log, options, port)
            async with asyncio.timeout(30):
                while len(told.sessions) == n_ready and not speaking.done():
                    await asyncio.sleep(0.05)
            if speaking.done():
                break
        await asyncio.sleep(3.0)
        ended.set()
        client, sent = await speaking
        reference = Told()
        over = asyncio.Event()
        uncut = asyncio.create_task(speak(server.url, speech, reference, over))
        await asyncio.sleep(sent / SAMPLE_RATE)
        over.set()
        await uncut
    finally:
        with suppress(ProcessLookupError):
            await asyncio.to_thread(server.stop)
    return outcome(client, told, reference) | {
        "kills": kills,
        "seconds": round(sent / SAMPLE_RATE, 1),
    }


def outcome(client: Client, told: Told, reference: Told) -> dict[str, Any]:
    """The words that were told, against those that stand in the end, and those of an undisturbed
    session."""
    final = client.transcript.words
    ids = [word.id for word in told.words]
    by_id = {word.id: word for word in final}
    heard = normalize(client.transcript.text)
    undisturbed = normalize(" ".join(word.text for word in reference.words))[: len(heard)]
    changes = Levenshtein.editops(undisturbed, heard)
    return {
        "committed_words": len(told.words),
        "lost": sum(word.id not in by_id for word in told.words),
        "changed": sum(
            word.id in by_id and by_id[word.id].text != word.text for word in told.words
        ),
        "doubled": len(ids) - len(set(ids)),
        "out_of_order": ids != sorted(ids),
        "same_session": len(set(told.sessions)) == 1,
        "lost_samples": client.lost_samples,
        "back_after_s": percentiles(told.back_after_s),
        "unlike_undisturbed": len(changes),
        "differences": [
            [
                op.tag,
                " ".join(undisturbed[op.src_pos : op.src_pos + 1]),
                " ".join(heard[op.dest_pos : op.dest_pos + 1]),
            ]
            for op in changes
        ],
    }


def main(
    kills: Annotated[int, typer.Option(min=1)] = 20,
    seed: SeedOption = 0,
    store: Annotated[bool, typer.Option(help="Without it the client replays.")] = True,
    out: OutOption = RESULTS / "campaign",
) -> None:
    speech = endless([read_samples(clip.path) for clip in bundled_speech()])
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        options = ["--no-llm"]
        if store:
            options += ["--store", str(Path(folder) / "store.db")]
        told = asyncio.run(killed(log, options, speech, kills, seed))
        text = (Path(folder) / "log").read_text(encoding="utf-8", errors="replace")
    told["tracebacks"] = text.count("Traceback (most recent call last)")
    name = "kills" if store else "kills_without_store"
    write_json("tests.campaign.kills", out, {"seed": seed, "store": store}, told, name)
    typer.echo(json.dumps(told, indent=2))
    raise typer.Exit(bool(told["lost"] or told["changed"] or told["doubled"] or told["tracebacks"]))


app = run(main)

if __name__ == "__main__":
    app()
