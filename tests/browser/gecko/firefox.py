"""Drive headless Firefox by WebDriver BiDi, which it speaks itself: as far as the page needs it."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect

from tests.browser.chromium import CALL_TIMEOUT_S, MAX_MESSAGE_BYTES, START_TIMEOUT_S, until

_PREFERENCES: Final = {
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "media.autoplay.default": 0,
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
}


class FirefoxError(RuntimeError):
    """A command failed, or a script threw on the page."""


def find_firefox() -> str | None:
    return shutil.which("firefox-esr") or shutil.which("firefox")


@dataclass
class FirefoxPage:
    """One tab. `problems` collects console errors and uncaught exceptions."""

    _socket: ClientConnection
    problems: list[str] = field(default_factory=list)
    _context: str = ""
    _ids: itertools.count[int] = field(default_factory=itertools.count)

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Raises FirefoxError."""
        call_id = next(self._ids)
        await self._socket.send(json.dumps({"id": call_id, "method": method, "params": params}))
        while True:
            said = json.loads(await asyncio.wait_for(self._socket.recv(), CALL_TIMEOUT_S))
            if said.get("id") == call_id:
                if said["type"] == "error":
                    raise FirefoxError(f"{method}: {said['message']}")
                result: dict[str, Any] = said["result"]
                return result
            if said.get("method") == "log.entryAdded" and said["params"]["level"] == "error":
                self.problems.append(str(said["params"]["text"]))

    async def begin(self) -> None:
        await self.call("session.new", capabilities={})
        await self.call("session.subscribe", events=["log.entryAdded"])
        tree = await self.call("browsingContext.getTree")
        self._context = tree["contexts"][0]["context"]

    async def goto(self, url: str) -> None:
        await self.call("browsingContext.navigate", context=self._context, url=url, wait="complete")

    async def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression, which may be a promise, as if a person had caused it.

        Raises:
            FirefoxError: the expression threw.
        """
        answer = await self.call(
            "script.evaluate",
            expression=f"(async () => JSON.stringify((await ({expression})) ?? null))()",
            target={"context": self._context},
            awaitPromise=True,
            userActivation=True,
        )
        if answer["type"] == "exception":
            raise FirefoxError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    async def wait_for(self, expression: str, timeout_s: float = 20.0) -> Any:
        """Raises TimeoutError: it did not become true."""
        return await until(lambda: self.evaluate(expression), expression, timeout_s)

    async def click(self, selector: str) -> None:
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    async def choose_file(self, selector: str, path: Path) -> None:
        """Put a file into an `<input type=file>`."""
        found = await self.call(
            "browsingContext.locateNodes",
            context=self._context,
            locator={"type": "css", "value": selector},
        )
        element = {"sharedId": found["nodes"][0]["sharedId"]}
        await self.call("input.setFiles", context=self._context, element=element, files=[str(path)])


@asynccontextmanager
async def open_firefox() -> AsyncIterator[FirefoxPage]:
    """Start a browser and give its tab.

    Raises:
        FileNotFoundError: no Firefox is installed.
        TimeoutError: it did not come up.
    """
    binary = find_firefox()
    if binary is None:
        raise FileNotFoundError("no Firefox on PATH; install it, say `apt install firefox-esr`")
    with tempfile.TemporaryDirectory(prefix="firefox-", ignore_cleanup_errors=True) as profile:
        lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in _PREFERENCES.items()]
        (Path(profile) / "user.js").write_text("\n".join(lines), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            binary,
            *("--headless", "--no-remote", "--remote-debugging-port=0", "--profile", profile),
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        reading = None
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                address = await _address(process.stderr)
            # Else it waits once the pipe is full.
            reading = asyncio.create_task(process.stderr.read())
            async with connect(f"{address}/session", max_size=MAX_MESSAGE_BYTES) as socket:
                page = FirefoxPage(socket)
                await page.begin()
                yield page
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            if reading is not None:
                await reading


async def _address(lines: asyncio.StreamReader) -> str:
    """Where it listens, as it says itself. Raises TimeoutError: it ended before."""
    while line := await lines.readline():
        if found := re.search(rb"BiDi listening on (ws://\S+)", line):
            return found[1].decode()
    raise TimeoutError("Firefox ended before it had begun")
