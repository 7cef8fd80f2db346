"""WhisperLiveKit's server in a process of its own, heard over its websocket `/asr` in full mode.

As its own test client reads it: the text of `lines` is committed, `buffer_transcription` is not.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from feed import Floats, Protocol, Screen, Times, chunks, options, pcm16
from websockets.asyncio.client import ClientConnection, connect
from whisper_weights import openai_checkpoint, whisper_folder

_START_TIMEOUT_S: Final = 180.0
_END_TIMEOUT_S: Final = 120.0


def command(wanted: dict[str, Any], port: int) -> list[str]:
    """The server's command line: its defaults, but for language, weights and raw audio."""
    model: str = wanted["model"]
    folder = whisper_folder(model, Path(wanted["cache"]))
    line = [str(Path(sys.executable).with_name("whisperlivekit-server"))]
    line += ["--host", "127.0.0.1", "--port", str(port), "--language", "en", "--pcm-input"]
    line += ["--warmup-file", wanted["warm_up"], "--backend-policy", wanted["policy"]]
    line += ["--backend", "faster-whisper"]
    if wanted["policy"] == "localagreement":
        return [*line, "--model", model, "--model_dir", str(folder)]
    from whisperlivekit.whisper import _ALIGNMENT_HEADS

    checkpoint = openai_checkpoint(model, folder, Path(wanted["cache"]))
    line += ["--model-path", str(checkpoint), "--encoder-model-path", str(folder)]
    return [*line, "--custom-alignment-heads", _ALIGNMENT_HEADS[model].decode()]


def wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    """Until its health check answers.

    Raises:
        RuntimeError: it ended, or took too long.
    """
    until = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}; see the log")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                if json.load(answer)["ready"]:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    raise RuntimeError("the server did not become ready")


async def listen(socket_: ClientConnection, screen: Screen) -> None:
    """Show what comes until the server says that it has said all."""
    async for message in socket_:
        event = json.loads(message)
        if event.get("error"):
            raise RuntimeError(event["error"])
        if event.get("type") == "ready_to_stop":
            return
        if "lines" in event:
            committed = [line["text"] for line in event["lines"] if line.get("text")]
            screen.show(" ".join(committed), event["buffer_transcription"])


async def session(port: int, samples: Floats, screen: Screen) -> Times:
    """One client that speaks in real time, and says when it has ended."""
    async with connect(f"ws://127.0.0.1:{port}/asr", ping_timeout=None) as socket_:
        listener = asyncio.create_task(listen(socket_, screen))
        started = time.monotonic()
        for due_s, piece in chunks(samples, started):
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            await socket_.send(pcm16(piece))
        sent = time.monotonic()
        await socket_.send(b"")
        await asyncio.wait_for(listener, _END_TIMEOUT_S)
    return {"started": started, "sent": sent}


def main() -> None:
    protocol, wanted = Protocol(), options()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(command(wanted, port), stdin=subprocess.DEVNULL)
    try:
        wait_until_ready(process, port)

        def hear(samples: Floats, screen: Screen) -> Times:
            return asyncio.run(session(port, samples, screen))

        about = {"version": metadata.version("whisperlivekit")}
        about |= {name: metadata.version(name) for name in ("faster-whisper", "ctranslate2")}
        protocol.serve(hear, about, [process.pid])
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
