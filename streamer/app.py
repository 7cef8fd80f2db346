"""The web server: routes, headers, and running it on uvicorn."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from streamer.dialects.common.answer_headers import EXPOSED_HEADERS
from streamer.dialects.reference.routes import reference_routes
from streamer.dialects.routes import dialect_routes
from streamer.dialects.wyoming.announcement import announced
from streamer.dialects.wyoming.server import listen
from streamer.hosting.options import TLS_CERTIFICATE, TLS_KEY, ServerOptions
from streamer.protocol.messages import PROTOCOL_VERSION
from streamer.recognition.contract import RecognizerFactory
from streamer.runtime.allocator import give_large_blocks_back
from streamer.runtime.faults import fault_line
from streamer.runtime.listening import listener, shown
from streamer.runtime.log_limits import log_to_stderr
from streamer.server.access import is_loopback
from streamer.server.browser_rules import SecurityHeaders, cross_origin
from streamer.server.connection_guard import ConnectionGuard, room_for
from streamer.server.guard import GuardedConfig
from streamer.server.host_gate import HostGate
from streamer.server.http_protocol import allow_long_lines
from streamer.server.requests.qr_code import QrCodes
from streamer.server.requests.voice_print import VoicePrints
from streamer.server.stream_server import StreamServer

__all__ = ["ServerOptions", "check_ports", "create_app", "run_server", "serve"]

_FOLLOW: Final = "/v1/follow"


def create_app(
    engine: RecognizerFactory, options: ServerOptions, web: Path | None = None
) -> Starlette:
    """The ASGI application; its lifespan ends by draining sessions and closing the engine.

    Args:
        web: folder of the caption page; None serves none.

    Raises:
        OSError: the trace file cannot be written.
    """
    server = StreamServer(engine, options)

    async def alive(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def health(request: Request) -> Response:
        if server.draining:
            return JSONResponse({"status": "shutting down"}, 503)
        return JSONResponse({"status": "ok"})

    async def ready(request: Request) -> Response:
        if server.draining:
            return PlainTextResponse("shutting down\n", status_code=503)
        return PlainTextResponse("ready\n")

    async def metrics(request: Request) -> Response:
        return Response(server.metrics.render(), media_type=server.metrics.content_type)

    async def config(request: Request) -> Response:
        return JSONResponse(
            {
                "protocol_version": PROTOCOL_VERSION,
                "token_required": options.token is not None,
                "decoder": engine.default_decoder,
                "models": engine.models,
                "languages": sorted(engine.languages),
                "language": engine.default_language,
                "emotion": options.emotion,
                "max_message_bytes": options.max_message_bytes,
                "buffer_ms": options.buffer_s * 1000,
                "local_only": is_loopback(options.host),
            }
        )

    def page(name: str) -> Response:
        if web is None or not (web / name).is_file():
            return PlainTextResponse("this installation has no caption page\n", status_code=404)
        return FileResponse(web / name)

    async def index(request: Request) -> Response:
        return page("index.html")

    async def overlay(request: Request) -> Response:
        return page("overlay.html")

    async def reader(request: Request) -> Response:
        return page("reader.html")

    async def history(request: Request) -> Response:
        return page("history.html")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await server.close()

    app = Starlette(
        routes=[
            Route("/", index),
            Route("/health", health),
            Route("/healthz", alive),
            Route("/readyz", ready),
            Route("/metrics", metrics),
            Route("/v1/config", config),
            Route("/overlay", overlay),
            Route("/read", reader),
            Route("/v1/qr", QrCodes(server).make, methods=["POST"]),
            Route("/v1/voice", VoicePrints(server).make, methods=["POST"]),
            Route("/history", history),
            WebSocketRoute("/v1/stream", server.stream),
            WebSocketRoute(_FOLLOW, server.follow),
            *dialect_routes(server),
            *reference_routes(server),
            *([Mount("/static", StaticFiles(directory=web))] if web is not None else []),
        ],
        middleware=[
            Middleware(SecurityHeaders, options),
            Middleware(HostGate, options),
            cross_origin(options, EXPOSED_HEADERS),
        ],
        lifespan=lifespan,
    )
    app.state.server = server
    return app


class _QuietLog(logging.Filter):
    """Uvicorn logs an error for every websocket that was turned away with an HTTP answer, which
    is none; and tracebacks, with messages that may hold what a client sent."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            record.msg = f"{record.getMessage().strip()} {fault_line(error)}"
            record.args, record.exc_info, record.exc_text = (), None, None
        return "without completing handshake" not in record.getMessage()


def web_config(app: Starlette, server: StreamServer, host: str, port: int) -> GuardedConfig:
    """How uvicorn is to serve `app`, which is all or a part of what `server` does. Its log is made
    to tell nothing of what clients sent."""
    logging.getLogger("uvicorn.error").addFilter(_QuietLog())
    allow_long_lines()
    tls = server.options.tls
    return GuardedConfig(
        app,
        replace(server.options, max_connections=room_for(server.options.max_connections)),
        frozenset({_FOLLOW}),
        host=host,
        port=port,
        # Larger messages than allowed are still read, so that the client gets an error event.
        ws_max_size=4 * server.options.max_message_bytes,
        ws_per_message_deflate=False,
        ws_ping_interval=20.0,
        # A client that is held back gets to our ping late; idle and send timeouts find the dead.
        ws_ping_timeout=None,
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        ssl_certfile=tls / TLS_CERTIFICATE if tls is not None else None,
        ssl_keyfile=tls / TLS_KEY if tls is not None else None,
    )


class _Uvicorn(uvicorn.Server):
    """Lets sessions end before it closes their sockets."""

    def __init__(
        self, config: uvicorn.Config, server: StreamServer, on_listening: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._stream_server = server
        self._on_listening = on_listening

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """A terminal that hangs up (SIGHUP) asks for the same orderly end that SIGTERM does,
        unless whoever started us wants it ignored, as nohup does."""
        with super().capture_signals():
            hangup = getattr(signal, "SIGHUP", None)  # Windows has none
            in_charge = threading.current_thread() is threading.main_thread()
            if hangup is None or not in_charge or signal.getsignal(hangup) is signal.SIG_IGN:
                yield
                return
            before = signal.signal(hangup, self.handle_exit)
            try:
                yield
            finally:
                signal.signal(hangup, before)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._stream_server.drain()
        await super().shutdown(sockets)


async def serve(
    app: Starlette,
    host: str,
    port: int,
    on_ready: Callable[[str], None],
    stop: asyncio.Event | None = None,
) -> None:
    """Serve an app of `create_app` until a signal comes or `stop` is set.

    Args:
        port: 0 for any free one.
        on_ready: called with the page's URL once the server listens.

    Raises:
        OSError: the address cannot be listened on.
        AnnouncementError: Wyoming cannot be announced.
    """
    server: StreamServer = app.state.server
    config = web_config(app, server, host, port)
    listening = listener(host, port, server.options.send_timeout_s)
    scheme = "http" if server.options.tls is None else "https"
    url = f"{scheme}://{shown(host)}:{listening.getsockname()[1]}/"
    web_server = _Uvicorn(config, server, lambda: on_ready(url))
    watcher = asyncio.create_task(_exit_on(stop, web_server)) if stop is not None else None
    try:
        async with _wyoming_served(server, config.guard, host):
            await web_server.serve([listening])
    finally:
        listening.close()
        if watcher is not None:
            watcher.cancel()


@asynccontextmanager
async def _wyoming_served(
    server: StreamServer, guard: ConnectionGuard, host: str
) -> AsyncIterator[None]:
    port = server.options.wyoming_port
    if port is None:
        yield
        return
    listening = listener(host, port, server.options.send_timeout_s)
    address, port = listening.getsockname()[:2]
    server.wyoming_address = f"tcp://{shown(host)}:{port}"
    wyoming = await listen(server, guard, listening)
    told = announced(address, port) if server.options.wyoming_zeroconf else nullcontext()
    try:
        async with told:
            yield
    finally:
        wyoming.close()


def check_ports(options: ServerOptions) -> None:
    """Whether a server could listen now, told before models are loaded for it.

    Raises:
        OSError: an address cannot be listened on.
    """
    with ExitStack() as opened:
        for port in (options.port, options.wyoming_port):
            if port is not None:
                opened.enter_context(listener(options.host, port, options.send_timeout_s))


async def _exit_on(stop: asyncio.Event, web_server: uvicorn.Server) -> None:
    await stop.wait()
    web_server.should_exit = True


def run_server(app: Starlette, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """`serve` as a program does it: returns after ctrl-C, when all sessions have ended.

    Raises:
        OSError: the address cannot be listened on.
        AnnouncementError: Wyoming cannot be announced.
    """
    log_to_stderr()
    give_large_blocks_back()
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(app, host, port, on_ready))
