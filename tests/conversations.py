"""One client of any protocol in memory, with the fake engine behind it: what it sends, what it is
told, what stands in the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from starlette.datastructures import QueryParams

from streamer.dialects.common.conversation import Conversation
from streamer.dialects.common.dialect import Dialect
from streamer.dialects.common.settings import Offer
from streamer.dialects.deepgram.codec import DeepgramDialect
from streamer.dialects.deepgram.settings import read_settings
from streamer.dialects.openai.realtime import RealtimeDialect
from streamer.dialects.openai.realtime_settings import RealtimeSettings
from streamer.dialects.wyoming.codec import WyomingDialect
from streamer.hosting.options import ServerOptions
from streamer.recognition.contract import RecognizerFactory
from streamer.runtime.metrics import ServerMetrics
from streamer.server.connection import Connection
from streamer.session.limits import SessionLimits
from streamer.session.places import Places
from streamer.session.runner import SessionRunner
from tests.serving import session_registry
from tests.sockets import GONE, FakeSocket

TIMEOUT_S: Final = 10.0
OPTIONS: Final = ServerOptions(resume_s=0.05, max_sessions=100)


class Client(Protocol):
    """A `Conversation`, or a native `Connection`."""

    async def run(self) -> None: ...


def new_dialect(name: str) -> Dialect:
    """`deepgram`, `realtime`, `realtime beta` or `wyoming`."""
    if name == "deepgram":
        query = QueryParams("encoding=linear16&sample_rate=16000&interim_results=true")
        return DeepgramDialect(read_settings(query, Offer("draft")), "request", {"asr": "fake"})
    if name == "wyoming":
        return WyomingDialect(Offer("draft"), {"asr": "fake"}, "1")
    return RealtimeDialect(RealtimeSettings(), Offer("draft"), beta=name == "realtime beta")


async def talk(
    engine: RecognizerFactory, protocol: str | Dialect, messages: Sequence[str | bytes]
) -> FakeSocket:
    """All messages, then the client vanishes; gives the socket once the server is done with it.

    Args:
        protocol: `native`, or one of `new_dialect`.
    """
    socket = FakeSocket()
    for message in (*messages, GONE):
        socket.inbox.put_nowait(message)
    metrics = ServerMetrics(engine.executor)
    async with asyncio.timeout(TIMEOUT_S):
        if protocol == "native":
            registry = session_registry(engine, OPTIONS, metrics)
            await Connection(socket, registry, OPTIONS, metrics).run()
            await registry.close(grace_s=0)
        else:
            dialect = new_dialect(protocol) if isinstance(protocol, str) else protocol
            runner = SessionRunner(engine, Places(8, 2_000), SessionLimits(), metrics)
            await Conversation(socket, dialect, runner, OPTIONS, metrics).run()
    return socket


@contextmanager
def log_records() -> Iterator[list[logging.LogRecord]]:
    """Everything that the program and what it runs on log meanwhile, debug messages of ours too."""
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record not in records:  # loggers hand on to those above them
                records.append(record)

    keep = Keep(logging.DEBUG)
    loggers = [logging.getLogger(name) for name in ("", "uvicorn", "uvicorn.error")]
    ours = logging.getLogger("streamer")
    level = ours.level
    ours.setLevel(logging.DEBUG)
    for one in loggers:
        one.addHandler(keep)
    try:
        yield records
    finally:
        ours.setLevel(level)
        for one in loggers:
            one.removeHandler(keep)


def said(record: logging.LogRecord) -> str:
    """As it would stand in the log, traceback and all."""
    return logging.Formatter().format(record)
