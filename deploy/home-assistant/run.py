"""The add-on's start: options become variables, then an ordinary user's server runs.

Meanwhile Home Assistant is told where the server's Wyoming port is, once that answers.
"""

from __future__ import annotations

import json
import os
import pwd
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import Request, urlopen

OPTIONS: Final = Path("/data/options.json")
SUPERVISOR: Final = "http://supervisor"
START_TIMEOUT_S: Final = 300.0


def variables(options: Mapping[str, str | bool]) -> dict[str, str]:
    """The server's settings, from the add-on's options of the same names."""
    return {f"STREAMER_{name.upper()}": str(value).lower() for name, value in options.items()}


def announce(supervisor: str, token: str, port: int) -> None:
    """Tell Home Assistant of the Wyoming port of this machine, once it answers.

    Raises:
        TimeoutError: it does not.
        URLError: nobody could be told.
    """
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while not _answers(port):
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"port {port} does not answer")
        time.sleep(0.5)
    told = {"service": "wyoming", "config": {"uri": f"tcp://{socket.gethostname()}:{port}"}}
    request = Request(
        f"{supervisor}/discovery",
        json.dumps(told).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urlopen(request, timeout=30):
        pass


def start(
    options: Path, user: pwd.struct_passwd, command: Sequence[str], supervisor: str = SUPERVISOR
) -> None:
    """Becomes `command`, run by `user`. Raises OSError: it cannot be run."""
    environment = {**os.environ, **variables(json.loads(options.read_text(encoding="utf-8")))}
    token = environment.pop("SUPERVISOR_TOKEN", None)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    if token is not None and os.fork() == 0:
        try:
            announce(supervisor, token, int(environment["STREAMER_WYOMING_PORT"]))
        except (TimeoutError, URLError) as error:
            print(f"Home Assistant was not told of this server: {error}", file=sys.stderr)
        return
    os.execvpe(command[0], command, environment)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    start(OPTIONS, pwd.getpwnam("streamer"), ["streamer", "serve"])
