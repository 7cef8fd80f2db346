"""A peer's adapter as a process: what it shows, and what it costs."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import psutil

_READY_TIMEOUT_S: Final = 300.0
_QUIET_TIMEOUT_S: Final = 150.0
"""Without a line for so long, in a session or behind it, an adapter counts as hung."""


class PeerError(RuntimeError):
    """A peer did not start, failed or hung; the message says which."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All text that a client had on its screen from `at_s` on (monotonic seconds)."""

    at_s: float
    committed: str
    tentative: str


@dataclass(slots=True)
class Heard:
    """One session. Sample 0 was spoken at `started_s`; the last had been sent at `sent_s`."""

    started_s: float = 0.0
    sent_s: float = 0.0
    ended_s: float = 0.0
    snapshots: list[Snapshot] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of hearing some clips at once."""

    cpu_s: float
    """CPU seconds of all threads of the recognizing processes."""
    peak_rss_mb: float
    """Most resident memory of each of these processes since it began, added up; 10^6 bytes."""


class PeerProcess:
    """Runs an adapter; ends it on leaving the block."""

    def __init__(
        self, name: str, python: Path, adapter: Path, options: dict[str, Any], log: Path
    ) -> None:
        self.name = name
        self._log = log.open("w", encoding="utf-8")
        self._process = subprocess.Popen(
            [str(python), str(adapter), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            encoding="utf-8",
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in: IO[str] = self._process.stdin
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,))
        self._reader.start()
        self.about: dict[str, Any] = {}
        self._recognizers: list[psutil.Process] = []

    def __enter__(self) -> PeerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._in.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._log.close()

    def wait_until_ready(self) -> None:
        """Until its models are loaded.

        Raises:
            PeerError: it ended or took too long.
        """
        message = self._next(_READY_TIMEOUT_S)
        self.about = message["ready"]
        self._recognizers = [psutil.Process(pid) for pid in message["processes"]]

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """One line there, one line back: for adapters that align."""
        self._send(request)
        return self._next(_QUIET_TIMEOUT_S)

    def hear(self, clips: Sequence[Path]) -> tuple[list[Heard], Cost]:
        """All clips at once, in real time.

        Raises:
            PeerError: a session failed, or the adapter ended or hung.
        """
        before_s = self._cpu_s()
        sessions = [Heard() for _ in clips]
        errors = []
        self._send({"audio": [str(clip) for clip in clips]})
        while "done" not in (message := self._next(_QUIET_TIMEOUT_S)):
            if "error" in message:
                errors.append(message["error"])
                continue
            heard = sessions[message["session"]]
            if "at" in message:
                shown = Snapshot(message["at"], message["committed"], message["tentative"])
                heard.snapshots.append(shown)
            else:
                heard.started_s, heard.sent_s = message["started"], message["sent"]
                heard.ended_s = message["ended"]
        if errors:
            raise PeerError(f"{self.name}: {errors[0]}")
        return sessions, Cost(self._cpu_s() - before_s, self._peak_rss_mb())

    def _tree(self) -> list[psutil.Process]:
        found = []
        for process in self._recognizers:
            found += [process, *process.children(recursive=True)]
        return found

    def _cpu_s(self) -> float:
        times = [process.cpu_times() for process in self._tree()]
        return float(sum(one.user + one.system for one in times))

    def _peak_rss_mb(self) -> float:
        total = 0.0
        for process in self._tree():
            lines = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines()
            peak = next(line for line in lines if line.startswith("VmHWM"))
            total += int(peak.split()[1]) * 1024 / 1e6
        return total

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._in.write(json.dumps(message) + "\n")
            self._in.flush()
        except BrokenPipeError:
            raise PeerError(f"{self.name} ended; see logs/{Path(self._log.name).name}") from None

    def _next(self, timeout_s: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            raise PeerError(f"{self.name} said nothing for {timeout_s:.0f} s") from None
        if line is None:
            raise PeerError(f"{self.name} ended; see logs/{Path(self._log.name).name}")
        return dict(json.loads(line))

    def _read(self, output: IO[str]) -> None:
        for line in output:
            self._lines.put(line)
        self._lines.put(None)
        output.close()
