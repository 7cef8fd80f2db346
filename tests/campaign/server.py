"""`streamer serve` in a process of its own, as users run it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import psutil

from streamer.client.address import websocket_url


class Server:
    """A running server, its log in a file. Whoever makes one stops it."""

    def __init__(
        self, log: IO[bytes], options: Sequence[str], port: int = 0, file_bytes: int | None = None
    ) -> None:
        """
        Args:
            file_bytes: no file of it may grow beyond, as on a disk that is full.
        """
        self.log = Path(log.name)
        command = [sys.executable, "-m", "streamer", "serve", "--port", str(port), *options]
        # It ends with whoever made it, however that ends.
        self._process = subprocess.Popen(
            [*command, "--stop-at-eof"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        if file_bytes is not None:
            psutil.Process(self._process.pid).rlimit(psutil.RLIMIT_FSIZE, (file_bytes, file_bytes))
        assert self._process.stdout is not None
        told = b""
        for line in self._process.stdout:
            told += line
            if b"http" in line:
                break
        found = re.search(r"https?://\S+", told.decode())
        assert found is not None, self.log.read_text(encoding="utf-8")
        self.url = websocket_url(found.group())
        """Of the native websocket."""

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def rss_mb(self) -> float:
        return float(psutil.Process(self._process.pid).memory_info().rss) / 1e6

    @property
    def cpu_s(self) -> float:
        """Computing so far."""
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def stop(self) -> int:
        """In order; gives the exit code."""
        self._process.terminate()
        return self._process.wait(60)

    def freeze(self) -> None:
        """It stays connected and does nothing, as on a machine that swaps."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """As the system kills: without a chance to save anything."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
