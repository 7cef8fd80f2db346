"""Our own server in a process of its own, heard over its websocket."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[4]))

from feed import Floats, Protocol, Screen, Times, options

from benchmarks.serving.live import LiveSession, live_session
from benchmarks.serving.server_process import server_process
from streamer.protocol.messages import SegmentEvent, StartMessage, WordsEvent

_HERE = Path(__file__).resolve().parent


def show(session: LiveSession, screen: Screen) -> None:
    """What a client that follows the protocol had on its screen, event by event."""
    committed: dict[int, str] = {}
    for one in session.received:
        tentative: list[str] = []
        if isinstance(one.event, WordsEvent):
            for word in one.event.words:
                if word.state == "tentative":
                    tentative.append(word.text)
                else:
                    committed[word.id] = word.text
        elif isinstance(one.event, SegmentEvent):
            committed |= {word.id: word.text for word in one.event.words}
        else:
            continue
        screen.show(" ".join(committed.values()), " ".join(tentative), one.at_s)


def commit_id() -> str:
    """Of the checked-out source, to tell results apart."""
    asked = ["git", "-C", str(_HERE), "describe", "--always", "--dirty"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def main() -> None:
    protocol, wanted = Protocol(), options()
    with server_process(
        wanted["kind"], threads=wanted["threads"], max_sessions=wanted["max_sessions"]
    ) as server:

        def hear(samples: Floats, screen: Screen) -> Times:
            session = asyncio.run(live_session(server.url, samples, StartMessage()))
            show(session, screen)
            if session.lost_samples:
                raise RuntimeError(f"{session.lost_samples} samples were lost")
            return {"started": session.started_s, "sent": session.started_s + session.audio_s}

        protocol.serve(hear, {"version": commit_id()}, [server.process.pid])


if __name__ == "__main__":
    main()
