"""What every adapter shares: the line protocol with the benchmark, and the real-time pace.

An adapter is a program that runs one peer in that peer's own environment. It loads the peer, says
`{"ready": {…}}`, and then answers each line `{"audio": [FILE, …]}` (mono float32 at 16 kHz) by
hearing all files at once in real time, one session each. Answers are JSON lines too:

    {"session": 0, "at": 12.3, "committed": "…", "tentative": "…"}   all text as it now stands
    {"session": 0, "started": 10.0, "sent": 25.0, "ended": 25.2}      when a session is over
    {"error": "…"}                                                    it failed
    {"done": true}                                                    all sessions are over

Times are the system's monotonic clock in seconds, which all processes share.
Only numpy and the standard library are needed, since every peer has its own environment.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TextIO

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

SAMPLE_RATE: Final = 16_000
CHUNK_MS: Final = 100
STAGGER_S: Final = 0.13
"""Between the starts of two sessions, so that their steps do not fall together."""


class Screen:
    """Where one session shows its text."""

    def __init__(self, protocol: Protocol, session: int) -> None:
        self._protocol = protocol
        self._session = session

    def show(self, committed: str, tentative: str, at_s: float | None = None) -> None:
        """All text that the peer promises not to change, and the rest."""
        self._protocol.say(
            {
                "session": self._session,
                "at": time.monotonic() if at_s is None else at_s,
                "committed": committed,
                "tentative": tentative,
            }
        )


Times = Mapping[str, float]
"""When sample 0 was spoken (`started`) and when the last one had been sent (`sent`)."""
Hear = Callable[[Floats, Screen], Times]


class Protocol:
    """JSON lines on what was the standard output; whatever else is printed goes to the log."""

    def __init__(self) -> None:
        self._out: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        self._lock = threading.Lock()
        os.dup2(2, 1)

    def say(self, message: Mapping[str, Any]) -> None:
        with self._lock:
            self._out.write(json.dumps(message) + "\n")
            self._out.flush()

    def serve(self, hear: Hear, about: Mapping[str, Any], processes: Sequence[int] = ()) -> None:
        """Answer until the benchmark closes our input.

        Args:
            hear: runs one session to its end; called in a thread of its own.
            about: versions and settings of the peer.
            processes: those that do the recognizing, if it is not this one.
        """
        self.say({"ready": dict(about), "processes": list(processes) or [os.getpid()]})
        for line in sys.stdin:
            clips = [np.fromfile(path, np.float32) for path in json.loads(line)["audio"]]
            threads = [
                threading.Thread(target=self._session, args=(i, clip, hear))
                for i, clip in enumerate(clips)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.say({"done": True})

    def _session(self, number: int, samples: Floats, hear: Hear) -> None:
        time.sleep(number * STAGGER_S)
        try:
            times = hear(samples, Screen(self, number))
        except Exception as error:  # noqa: BLE001 -- whatever a peer raises is its result
            traceback.print_exc()
            self.say({"error": f"{type(error).__name__}: {error}"})
            return
        self.say({"session": number, "ended": time.monotonic(), **times})


def options() -> dict[str, Any]:
    """The JSON object that is our only argument."""
    return dict(json.loads(sys.argv[1]))


def chunks(samples: Floats, started_s: float) -> Iterator[tuple[float, Floats]]:
    """Pieces of 100 ms, each with the time at which its last sample has been spoken."""
    size = SAMPLE_RATE * CHUNK_MS // 1000
    for at in range(0, len(samples), size):
        piece = samples[at : at + size]
        yield started_s + (at + len(piece)) / SAMPLE_RATE, piece


def paced(samples: Floats, started_s: float) -> Iterator[Floats]:
    """The pieces, each as soon as it has been spoken; at once if we are late."""
    for due_s, piece in chunks(samples, started_s):
        time.sleep(max(0.0, due_s - time.monotonic()))
        yield piece


def pcm16(samples: Floats) -> bytes:
    """As 16-bit little-endian integers."""
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
