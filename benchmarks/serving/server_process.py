"""The server as people run it, in a process of its own, with its memory and CPU time in sight."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import psutil

from benchmarks.common import COLOURS
from streamer.cli.local_server import local_server

Kind = Literal["balanced", "llm", "no_llm"]
"""Who decides about words: the second listener too, the draft and the LLM, or the draft alone."""
LABELS: Final[dict[Kind, str]] = {
    "balanced": "balanced",
    "llm": "with the LLM",
    "no_llm": "without the LLM",
}
"""As pictures name them."""
COLOUR_OF: Final[dict[Kind, str]] = {
    "balanced": COLOURS["balanced"],
    "llm": COLOURS["fused"],
    "no_llm": COLOURS["draft"],
}
_OPTIONS: Final[dict[Kind, list[str]]] = {
    "balanced": ["--latency", "balanced"],
    "llm": ["--latency", "low"],
    "no_llm": ["--no-llm"],
}


def kinds(llm: bool) -> list[Kind]:
    """The kinds to measure."""
    return list(LABELS) if llm else ["no_llm"]


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A running `streamer serve`."""

    url: str
    process: psutil.Process

    def cpu_s(self) -> float:
        """CPU seconds used so far, of all threads."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def main_thread_cpu_s(self) -> float:
        """CPU seconds used so far by the event loop: sockets, resampling, JSON."""
        (main,) = (one for one in self.process.threads() if one.id == self.process.pid)
        return float(main.user_time + main.system_time)

    def rss_mb(self) -> float:
        """Resident memory now, in 10^6 bytes."""
        return float(self.process.memory_info().rss) / 1e6

    def peak_rss_mb(self) -> float:
        """Most resident memory since the start; where the system does not tell, that of now."""
        try:
            lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        except OSError:
            return self.rss_mb()
        peak = next(line for line in lines.splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024 / 1e6


@contextmanager
def server_process(kind: Kind, *, threads: int, max_sessions: int = 8) -> Iterator[ServerProcess]:
    """Run `streamer serve` for as long as the block lasts.

    Raises:
        streamer.cli.local_server.LocalServerError: it did not start.
    """
    options = [*_OPTIONS[kind], "--threads", str(threads), "--max-sessions", str(max_sessions)]
    this = psutil.Process()
    before = set(this.children())
    with local_server(options) as url:
        (process,) = set(this.children()) - before
        yield ServerProcess(url, process)
