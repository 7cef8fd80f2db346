"""A real server on a free port, in a thread of its own, with the fake engine behind it, or a
real one."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import TracebackType

from streamer.app import ServerOptions, create_app, serve
from streamer.client.bundled import page_folder
from streamer.hosting.session_registry import SessionRegistry
from streamer.hosting.session_store import SessionStore
from streamer.hosting.stored_session import StoredSession
from streamer.recognition.contract import RecognizerFactory
from streamer.runtime.metrics import ServerMetrics
from streamer.server.stream_server import StreamServer
from streamer.session.limits import SessionLimits
from streamer.session.places import Places
from streamer.session.runner import SessionRunner
from tests.fakes import FakeEngine


def session_registry(
    engine: RecognizerFactory,
    options: ServerOptions,
    metrics: ServerMetrics,
    places: Places | None = None,
    store: SessionStore | None = None,
) -> SessionRegistry:
    """As a server makes it, without the server."""
    places = places or Places(options.max_sessions, options.refuse_lag_ms)
    limits = SessionLimits(outbox_events=options.outbox_events, max_backlog_s=options.max_backlog_s)
    runner = SessionRunner(engine, places, limits, metrics)
    return SessionRegistry(engine, runner, options, metrics, store)


class ServerThread:
    """Use as context manager; `stop` asks for the same orderly end that SIGTERM does."""

    def __init__(
        self,
        options: ServerOptions | None = None,
        engine: FakeEngine | None = None,
        *,
        real_engine: RecognizerFactory | None = None,
        web: Path | None = None,
    ) -> None:
        self.engine = engine or FakeEngine()
        self._app = create_app(
            real_engine or self.engine, options or ServerOptions(), web or page_folder()
        )
        self.server: StreamServer = self._app.state.server
        self.http_url = ""
        self._listening = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def url(self) -> str:
        return self.http_url.replace("http", "ws", 1) + "v1/stream"

    def sample(self, name: str, **labels: str) -> float:
        """A value of /metrics."""
        value = self.server.metrics.registry.get_sample_value(name, labels)
        return 0.0 if value is None else value

    @property
    def tasks(self) -> int:
        """Of the server's event loop."""
        return len(asyncio.all_tasks(self._loop))

    def __enter__(self) -> ServerThread:
        self._thread.start()
        assert self._listening.wait(20)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.engine.hold.set()
        self.begin_stop()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def begin_stop(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)

    def move_away(self, within_s: float) -> None:
        """Send everybody to other servers, of which none takes a session over. Returns when all
        have ended."""

        async def nobody(session: StoredSession, renamed: bool) -> None:
            return None

        moving = self.server.move_away(nobody, within_s)
        asyncio.run_coroutine_threadsafe(moving, self._loop).result(30)

    def _run(self) -> None:
        def on_ready(url: str) -> None:
            self.http_url = url
            self._listening.set()

        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(serve(self._app, "127.0.0.1", 0, on_ready, self._stop))
