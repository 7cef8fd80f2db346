"""A caption server of our own, in a process of its own, for as long as a block runs.

Its own process, so that drawing captions does not take time from recognizing them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Final

from streamer.client.address import websocket_url

_URL: Final = re.compile(r"https?://\S+")
_STOP_TIMEOUT_S: Final = 20.0
_KEPT_VARIABLES: Final = ("STREAMER_CACHE", "STREAMER_MODELS")


class LocalServerError(RuntimeError):
    """The server did not start; the message ends with the last thing it said."""


@contextmanager
def local_server(
    options: Sequence[str] = (), on_progress: Callable[[str], None] | None = None
) -> Iterator[str]:
    """Run `streamer serve` on a free local port; gives the websocket's URL once it is ready.

    Args:
        options: further options of `streamer serve`.
        on_progress: gets what the server says while it loads, line by line.

    Raises:
        LocalServerError: it ended before it was ready.
    """
    command = [sys.executable, "-m", "streamer", "serve", "--host", "127.0.0.1", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--stop-at-eof", *options],
        # Held open, never written to: it ends with us, however we end.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=_environment(os.environ),
        # ctrl-C is for us: we stop the server when we have its last words.
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    said: deque[str] = deque(maxlen=20)
    # A daemon: where we are interrupted before the next line, nobody is to wait for the server.
    listener = threading.Thread(
        target=_listen, args=(process.stderr, said, on_progress), daemon=True
    )
    listener.start()
    try:
        yield _websocket_url(process.stdout, listener, said)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdin.close()
        process.stdout.close()
        listener.join()
        process.stderr.close()


def _websocket_url(output: IO[str], listener: threading.Thread, said: deque[str]) -> str:
    for line in output:
        found = _URL.search(line)
        if found:
            return websocket_url(found.group())
    listener.join()
    last = said[-1] if said else "it said nothing"
    raise LocalServerError(f"the caption server did not start: {last.removeprefix('error: ')}")


def _listen(errors: IO[str], said: deque[str], on_progress: Callable[[str], None] | None) -> None:
    for line in errors:
        if text := line.strip():
            said.append(text)
            if on_progress is not None:
                on_progress(text)


def _environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Without the settings that are meant for other commands, such as a token or a port."""
    return {
        name: value
        for name, value in inherited.items()
        if not name.startswith("STREAMER_") or name in _KEPT_VARIABLES
    }
