"""A server that plays a script: it serves the caption page and says what a test wants said.

With it the page's own logic is tested word by word, which no recognizer allows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import uvicorn
from pydantic import TypeAdapter
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from streamer.protocol.frames import AudioFrame
from streamer.protocol.messages import (
    ByeEvent,
    ConfigureMessage,
    Encoding,
    FinalizeMessage,
    ReadyEvent,
    ServerEvent,
    StartMessage,
    StopMessage,
)
from tests.frames import decode_frame

WEB: Final = Path(__file__).resolve().parents[2] / "clients" / "web"
CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; media-src 'self' blob:; worker-src 'self'"
)
_EVENT: Final[TypeAdapter[ServerEvent]] = TypeAdapter(ServerEvent)
_ClientMessage = StartMessage | ConfigureMessage | FinalizeMessage | StopMessage
_CLIENT_MESSAGE: Final[TypeAdapter[_ClientMessage]] = TypeAdapter(_ClientMessage)


@dataclass
class ScriptedSession:
    """One page's connection, as the script sees it."""

    socket: WebSocket
    start: StartMessage
    frames: list[AudioFrame] = field(default_factory=list)
    configured: list[ConfigureMessage] = field(default_factory=list)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    finalized: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, event: ServerEvent) -> None:
        await self.socket.send_text(_EVENT.dump_json(event).decode())

    async def ready(self, buffer_ms: float = 30_000, language: str = "en") -> None:
        await self.send(
            ReadyEvent(
                session_id="scripted",
                decoder="fused",
                models={"asr": "moonshine-tiny-en", "llm": "gemma3-270m"},
                language=language,
                max_message_bytes=65_536,
                buffer_ms=buffer_ms,
                channels=self.start.channels,
            )
        )

    async def bye(self) -> None:
        """Say goodbye once the page has asked for it."""
        await self.stopped.wait()
        await self.send(
            ByeEvent(
                reason="stop", received_ms=0, processed_ms=0, lost_samples=0, segments=0, words=0
            )
        )

    async def heard(self, seconds: float) -> None:
        """Wait until the page has sent that much audio."""
        while sum(len(f.samples) for f in self.frames) < seconds * self.start.sample_rate:
            await asyncio.sleep(0.02)

    async def listen(self) -> None:
        """Take in audio and messages until the page leaves."""
        while (message := await self.socket.receive())["type"] == "websocket.receive":
            if message.get("bytes") is not None:
                data, channels = message["bytes"], self.start.channels
                self.frames.append(decode_frame(data, Encoding.PCM_S16LE, channels))
                continue
            said = _CLIENT_MESSAGE.validate_json(message["text"])
            if isinstance(said, StopMessage):
                self.stopped.set()
            elif isinstance(said, ConfigureMessage):
                self.configured.append(said)
            elif isinstance(said, FinalizeMessage):
                self.finalized.set()


Script = Callable[[ScriptedSession], Coroutine[None, None, None]]


@dataclass
class ScriptedServer:
    """Serves the page; every connection plays `script`, then is closed with `close_code`."""

    script: Script
    close_code: int = 1000
    refuse: bool = False
    """Whether connections are turned away before the websocket handshake is done."""
    url: str = ""
    sessions: list[ScriptedSession] = field(default_factory=list)
    subprotocols: list[list[str]] = field(default_factory=list)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/", lambda _: FileResponse(WEB / "index.html")),
                Route("/history", lambda _: FileResponse(WEB / "history.html")),
                Route("/v1/config", lambda _: JSONResponse({"languages": ["de", "en", "ja"]})),
                WebSocketRoute("/v1/stream", self._stream),
                Mount("/static", StaticFiles(directory=WEB)),
            ],
            middleware=[Middleware(_StrictPolicy)],
        )

    async def _stream(self, socket: WebSocket) -> None:
        self.subprotocols.append(list(socket.scope["subprotocols"]))
        if self.refuse:
            await socket.close()
            return
        await socket.accept(subprotocol="streamer.v1")
        try:
            start = StartMessage.model_validate_json(await socket.receive_text())
            session = ScriptedSession(socket, start)
            self.sessions.append(session)
            async with asyncio.TaskGroup() as tasks:
                playing = tasks.create_task(self._play(session))
                await session.listen()
                playing.cancel()
        except WebSocketDisconnect:
            return

    async def _play(self, session: ScriptedSession) -> None:
        await self.script(session)
        await session.socket.close(self.close_code)


class _StrictPolicy:
    """Sends the content security policy that the real server sends."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"content-security-policy", CSP.encode()),
                ]
            await send(message)

        await self.app(scope, receive, send_with_policy)


@asynccontextmanager
async def serve(app: Starlette) -> AsyncIterator[str]:
    """Run an app on a free local port, on this event loop, and give its URL."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="on")
    server = uvicorn.Server(config)
    server.config.load()
    running = asyncio.create_task(server.serve())
    while not server.started:
        if running.done():
            running.result()
            raise RuntimeError("the server ended before it had begun")
        await asyncio.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running


@asynccontextmanager
async def scripted(script: Script, close_code: int = 1000) -> AsyncIterator[ScriptedServer]:
    """A running `ScriptedServer`."""
    server = ScriptedServer(script, close_code)
    async with serve(server.app()) as url:
        server.url = url
        yield server
