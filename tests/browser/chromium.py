"""Drive headless Chromium by the DevTools protocol, as far as the caption page needs it.

Only the `websockets` package is used, so that a test of the page needs no browser framework.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self
from urllib.request import urlopen

from websockets.asyncio.client import ClientConnection, connect

START_TIMEOUT_S: Final = 60.0
CALL_TIMEOUT_S: Final = 60.0
POLL_S: Final = 0.1
MAX_MESSAGE_BYTES: Final = 64 * 2**20

_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--remote-debugging-port=0",
)
_FAKE_DEVICES: Final = ("--mute-audio", "--use-fake-device-for-media-stream")


class PageError(RuntimeError):
    """A DevTools call failed, or a script threw on the page."""


def find_chromium() -> str | None:
    """Path of an installed Chromium or Chrome, if there is one on PATH."""
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        path = shutil.which(name)
        if path is not None:
            return path
    return None


@dataclass(frozen=True)
class BrowserOptions:
    """What the browser pretends to have."""

    microphone: Path | None = None
    """A 16-bit WAV file (48 kHz serves best) that plays as the microphone, over and over."""
    grant_microphone: bool = True
    """Whether the person behind the browser says yes when a page asks for the microphone."""
    shared_tab: str | None = None
    """Part of the title of the tab whose sound is shared when a page asks for one. Browsers that
    pretend to have a microphone pretend that tabs sound as well, so it is one or the other."""
    extra_flags: tuple[str, ...] = ()
    profile: Path | None = None
    """The folder of what the browser keeps, for one that comes back; else it begins empty."""


@dataclass
class Page:
    """One tab. `problems` collects console errors, uncaught exceptions and CSP violations,
    `warnings` counts the times that the page warned before it was left; the person leaves."""

    _socket: ClientConnection
    _browser: asyncio.subprocess.Process
    problems: list[str] = field(default_factory=list)
    warnings: int = 0
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _waiting: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    _reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._reader = asyncio.create_task(self._read())
        for domain in ("Page", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reader is not None:
            self._reader.cancel()
        await self._socket.close()

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a DevTools command and wait for its result.

        Raises:
            PageError: the browser refused it.
        """
        call_id = next(self._ids)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[call_id] = future
        await self._socket.send(json.dumps({"id": call_id, "method": method, "params": params}))
        answer = await asyncio.wait_for(future, CALL_TIMEOUT_S)
        if "error" in answer:
            raise PageError(f"{method}: {answer['error'].get('message')}")
        result: dict[str, Any] = answer["result"]
        return result

    async def kill(self) -> None:
        """End the whole browser as a crash does. Nothing can be asked of it any more."""
        self._browser.kill()
        await self._browser.wait()

    async def goto(self, url: str) -> None:
        """Open a page and wait until its scripts have run."""
        await self.call("Page.navigate", url=url)
        await self.wait_for("document.readyState === 'complete'")

    async def open_behind(self, url: str, title: str, timeout_s: float = 20.0) -> None:
        """Open another tab, which stays in the background; back when it has its title, by which
        `BrowserOptions.shared_tab` finds it.

        Raises:
            TimeoutError: it did not get that title.
        """
        opened = await self.call("Target.createTarget", url=url, background=True)

        async def is_titled() -> bool:
            found = await self.call("Target.getTargetInfo", targetId=opened["targetId"])
            return bool(found["targetInfo"]["title"] == title)

        await until(is_titled, f"{url} has the title {title!r}", timeout_s)

    async def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression, which may be a promise, as if a person had caused it.

        Raises:
            PageError: the expression threw.
        """
        answer = await self.call(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise PageError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    async def wait_for(self, expression: str, timeout_s: float = 20.0) -> Any:
        """Wait until an expression becomes true, and give its value.

        Raises:
            TimeoutError: it did not.
        """
        return await until(lambda: self.evaluate(expression), expression, timeout_s)

    async def click(self, selector: str) -> None:
        """Click the middle of an element with the mouse, in sight or scrolled into it."""
        quoted = json.dumps(selector)
        x, y = await self.evaluate(
            f"(() => {{ const node = document.querySelector({quoted});"
            " node.scrollIntoViewIfNeeded(); const box = node.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.call(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )

    async def press(self, key: str, code: int, text: str = "") -> None:
        """Press and release a key; `code` is its Windows virtual key code."""
        common = {"key": key, "windowsVirtualKeyCode": code}
        await self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    async def choose_file(self, selector: str, path: Path) -> None:
        """Put a file into an `<input type=file>`."""
        root = await self.call("DOM.getDocument")
        node = await self.call(
            "DOM.querySelector", nodeId=root["root"]["nodeId"], selector=selector
        )
        await self.call("DOM.setFileInputFiles", files=[str(path)], nodeId=node["nodeId"])

    async def resize(self, width: int, height: int, *, mobile: bool = False) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )

    async def emulate_media(self, **features: str) -> None:
        """Set media features, such as `prefers_color_scheme="dark"`."""
        named = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        await self.call("Emulation.setEmulatedMedia", features=named)

    async def screenshot(self, path: Path) -> None:
        """Save what the tab shows as PNG."""
        shot = await self.call("Page.captureScreenshot", format="png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    async def _read(self) -> None:
        async for message in self._socket:
            event = json.loads(message)
            if "id" in event:
                waiting = self._waiting.pop(event["id"], None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(event)
            elif event["method"] == "Page.javascriptDialogOpening":
                self.warnings += event["params"]["type"] == "beforeunload"
                answer = {"id": next(self._ids), "method": "Page.handleJavaScriptDialog"}
                await self._socket.send(json.dumps({**answer, "params": {"accept": True}}))
            else:
                self._note_problem(event["method"], event["params"])

    def _note_problem(self, method: str, params: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            text = details.get("exception", {}).get("description", details["text"])
            self.problems.append(f"exception: {text}")
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            values = [str(a.get("value", a.get("description"))) for a in params["args"]]
            self.problems.append(f"console: {' '.join(values)}")
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            entry = params["entry"]
            self.problems.append(f"{entry['source']}: {entry['text']} {entry.get('url', '')}")


@asynccontextmanager
async def open_page(options: BrowserOptions | None = None) -> AsyncIterator[Page]:
    """Start a browser and give its tab.

    Raises:
        FileNotFoundError: no Chromium is installed.
        TimeoutError: it did not come up.
    """
    options = options or BrowserOptions()
    binary = find_chromium()
    if binary is None:
        raise FileNotFoundError(
            "no Chromium on PATH; install it, for example `apt install chromium`"
        )
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as empty:
        profile = options.profile or Path(empty)
        # One that was killed leaves its port behind.
        (profile / "DevToolsActivePort").unlink(missing_ok=True)
        process = await asyncio.create_subprocess_exec(
            binary,
            *_flags(options, profile),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            address = await _page_address(profile)
            async with (
                connect(address, max_size=MAX_MESSAGE_BYTES) as socket,
                Page(socket, process) as page,
            ):
                yield page
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def until(ask: Callable[[], Awaitable[Any]], what: str, timeout_s: float) -> Any:
    """The first answer that is true."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = await ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"not true within {timeout_s:g} s: {what}")
        await asyncio.sleep(POLL_S)


def _flags(options: BrowserOptions, profile: Path) -> list[str]:
    flags = [*_FLAGS, f"--user-data-dir={profile}"]
    if options.shared_tab is not None:
        flags.append(f"--auto-select-tab-capture-source-by-title={options.shared_tab}")
        flags.append("--autoplay-policy=no-user-gesture-required")
    else:
        flags += _FAKE_DEVICES
        asking = (
            "--use-fake-ui-for-media-stream"
            if options.grant_microphone
            else "--deny-permission-prompts"
        )
        flags.append(asking)
    if options.microphone is not None:
        flags.append(f"--use-file-for-fake-audio-capture={options.microphone}")
    return [*flags, *options.extra_flags, "about:blank"]


async def _page_address(profile: Path) -> str:
    """Websocket address of the first tab, once the browser has written down its port."""
    port_file = profile / "DevToolsActivePort"
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        await asyncio.sleep(POLL_S)
        if not port_file.exists() or not port_file.read_text().strip():
            continue
        port = int(port_file.read_text().split()[0])
        for target in await asyncio.to_thread(_targets, port):
            if target["type"] == "page":
                return str(target["webSocketDebuggerUrl"])
    raise TimeoutError(f"Chromium did not start within {START_TIMEOUT_S:g} s")


def _targets(port: int) -> list[dict[str, Any]]:
    with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
        targets: list[dict[str, Any]] = json.load(answer)
    return targets
