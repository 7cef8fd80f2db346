"""How late captions are: one real-time client of the real server; without the LLM, with
it, and with the second listener.

The server runs in a thread of this process and is spoken to over its websocket. Word delays are
wall time from the end of a word, by the recognizer's own timing, to the event that reaches the
client; computing, pacing and transport are all in them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Annotated, Any, Final

import typer
from matplotlib.figure import Figure
from rich.table import Table

from benchmarks.common import COLOURS, Setup, figure, run_speech, speech_stream, style
from benchmarks.serving.live import CHUNK_MS, LiveSession, delay_figures, live_session, word_delays
from streamer.app import create_app, serve
from streamer.audio.arrays import Floats
from streamer.hosting.options import ServerOptions
from streamer.protocol.messages import StartMessage
from streamer.recognition.contract import Decoder, RecognizerFactory
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.latency import Latency

WARM_UP_S: Final = 5.0
_START_TIMEOUT_S: Final = 30.0


@contextmanager
def server_thread(engine: RecognizerFactory) -> Iterator[str]:
    """The real server in a thread; gives the websocket's URL. Leaving closes the engine.

    Raises:
        TimeoutError: it did not begin to listen.
    """
    listening, urls = threading.Event(), list[str]()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    app = create_app(engine, ServerOptions())

    def announce(url: str) -> None:
        urls.append(url)
        listening.set()

    def work() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve(app, "127.0.0.1", 0, announce, stop))

    thread = threading.Thread(target=work, name="server")
    thread.start()
    try:
        if not listening.wait(_START_TIMEOUT_S):
            raise TimeoutError("the server did not begin to listen")
        yield urls[0].replace("http", "ws", 1) + "v1/stream"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def measure(url: str, samples: Floats, decoder: Decoder, chunk_ms: float) -> LiveSession:
    """One session in real time."""
    return asyncio.run(live_session(url, samples, StartMessage(decoder=decoder), chunk_ms))


def table(results: Mapping[str, Any]) -> Table:
    """The summary for people."""
    shown = Table(title="Latency, ms")
    for column in ("decoder", "what", "p50", "p95", "p99"):
        shown.add_column(column, justify="left" if column in ("decoder", "what") else "right")
    for decoder, figures in results.items():
        delays = {name: value for name, value in figures.items() if name.endswith("delay_ms")}
        rows = {"lag": figures["lag_ms"], **delays, **figures["stages_ms"]}
        for what, stats in rows.items():
            cells = [f"{stats[p]:.0f}" if p in stats else "" for p in ("p50", "p95", "p99")]
            shown.add_row(decoder, what.replace("_ms", "").replace("_", " "), *cells)
        shown.add_section()
    return shown


def draw(sessions: Mapping[str, LiveSession]) -> Figure:
    """Delays of words as cumulated shares, and the lag over time."""
    picture = figure(11, 4.2)
    words, lag = picture.subplots(1, 2)
    lines = {"tentative": ":", "commit": "-"}
    for decoder, session in sessions.items():
        delays = word_delays(session)
        for (kind, line), values in zip(
            lines.items(), (delays.tentative, delays.commit), strict=True
        ):
            share = [(i + 1) / len(values) for i in range(len(values))]
            words.plot(
                sorted(value / 1000 for value in values),
                share,
                line,
                label=f"{decoder}, {kind}",
                color=COLOURS[decoder],
            )
        lag.plot(session.lags_ms, label=decoder, color=COLOURS[decoder])
    words.legend(frameon=False)
    words.set_ylim(0, 1.02)
    style(words, "From a word's end to the client's screen", "seconds", "share of words")
    lag.axhline(500, color="#999999", linestyle="--", linewidth=1)
    lag.margins(y=0.1)
    lag.set_ylim(bottom=0)
    lag.legend(frameon=False)
    style(lag, "Lag at each heartbeat", "heartbeat (about 1 s)", "ms")
    return picture


def main(
    setup: Setup,
    seconds: Annotated[float, typer.Option(min=1, help="Of speech for each decoder.")] = 120,
    pause_ms: Annotated[float, typer.Option(min=0, help="Silence between clips.")] = 800,
    chunk_ms: Annotated[float, typer.Option(min=1, help="Audio in one message.")] = CHUNK_MS,
) -> None:
    clips = setup.clips()
    samples = speech_stream(clips, seconds, pause_ms / 1000, setup.seed)
    warm_up = speech_stream(clips, min(seconds, WARM_UP_S), 0, setup.seed)
    ways: dict[str, tuple[Latency, Decoder]] = {"draft": ("low", "draft")}
    if setup.llm:
        ways |= {"fused": ("low", "fused"), "balanced": ("balanced", "fused")}
    sessions: dict[str, LiveSession] = {}
    engine = Engine.load(EngineOptions(threads=setup.threads, llm=setup.llm, latency="balanced"))
    with closing(engine):
        for name, (latency, decoder) in ways.items():
            one = engine.with_options(replace(engine.options, latency=latency))
            with server_thread(one) as url:
                measure(url, warm_up, decoder, chunk_ms)
                sessions[name] = measure(url, samples, decoder, chunk_ms)
    results = {name: delay_figures(session) for name, session in sessions.items()}
    parameters = {
        "speech": sorted({clip.set_name for clip in clips}),
        "seconds": seconds,
        "pause_ms": pause_ms,
        "chunk_ms": chunk_ms,
    }
    notes = ["server and client share one process; lag is sampled by the heartbeats"]
    setup.publish("serving.latency", parameters, results, draw(sessions), table(results), notes)


app = run_speech(main)

if __name__ == "__main__":
    app()
