"""`streamer cluster`: the server on many machines, on Ray Serve."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from streamer.cli.engine_loading import SpeechLanguageOption, speech_language_code
from streamer.cli.failures import EXIT_USAGE, fail
from streamer.cli.input.device import BatchWaitOption
from streamer.cli.options import (
    AllowHostOption,
    AllowOriginOption,
    DeviceOption,
    EmotionChoice,
    EmotionModelOption,
    FusionOption,
    HostOption,
    IdleTimeoutOption,
    LanguageOption,
    LanguagesOption,
    LatencyChoice,
    LatencyOption,
    ListenerOption,
    LlmModelOption,
    LlmOption,
    ResumeSecondsOption,
    SpeechModelOption,
    TellEmotionOption,
    ThreadsOption,
    TokenOption,
    checked_language,
)
from streamer.hosting.options import ServerOptions
from streamer.models.store.catalog import EMOTION, GEMMA, MOONSHINE, WHISPER_BASE
from streamer.recognition.languages import ENGLISH
from streamer.runtime.batcher import WAIT_MS

_DEFAULTS: Final = ServerOptions()
_RAY_PORT: Final = 6379
_MOVE_WITHIN_S: Final = 30.0

WithinOption = Annotated[
    float,
    typer.Option(
        min=0.0,
        envvar="STREAMER_MOVE_WITHIN",
        help="Seconds in which a replica that is to go sends everybody to others: each session at "
        "its next silence, whoever still speaks at the end.",
    ),
]


def cluster_app() -> typer.Typer:
    """The group of subcommands."""
    app = typer.Typer(
        help="The server on many machines, on Ray Serve (extra `cluster`).",
        no_args_is_help=True,
    )
    app.command("start")(start)
    app.command("join")(join)
    app.command("status")(status)
    app.command("drain")(drain)
    app.command("stop")(stop)
    return app


def start(
    host: HostOption = _DEFAULTS.host,
    port: Annotated[
        int,
        typer.Option(min=1, max=65_535, envvar="STREAMER_PORT", help="On each of the machines."),
    ] = _DEFAULTS.port,
    token: TokenOption = None,
    allow_origin: AllowOriginOption = None,
    allow_host: AllowHostOption = None,
    max_sessions: Annotated[
        int, typer.Option(min=1, envvar="STREAMER_MAX_SESSIONS", help="Of one replica.")
    ] = _DEFAULTS.max_sessions,
    idle_timeout: IdleTimeoutOption = _DEFAULTS.idle_timeout_s,
    resume_seconds: ResumeSecondsOption = _DEFAULTS.resume_s,
    replicas: Annotated[
        int, typer.Option(min=1, envvar="STREAMER_REPLICAS", help="Engines that run at least.")
    ] = 1,
    max_replicas: Annotated[
        int | None,
        typer.Option(
            min=1,
            envvar="STREAMER_MAX_REPLICAS",
            help="Engines at most, while clients are many. Left out: no more than --replicas.",
        ),
    ] = None,
    cpus: Annotated[
        float, typer.Option(min=0.1, envvar="STREAMER_CPUS", help="Set aside for a replica.")
    ] = 2.0,
    gpus: Annotated[
        float,
        typer.Option(
            min=0.0, envvar="STREAMER_GPUS", help="Set aside for a replica; 0.5 lets two share one."
        ),
    ] = 0.0,
    move_within: WithinOption = _MOVE_WITHIN_S,
    store: Annotated[
        Path | None,
        typer.Option(
            envvar="STREAMER_STORE",
            help="Keep committed words in this folder, which all machines share, so that sessions "
            "outlive their replica.",
            file_okay=False,
        ),
    ] = None,
    direct_url: Annotated[
        str,
        typer.Option(
            envvar="STREAMER_DIRECT_URL",
            help="Where clients reach a replica itself once they are let in; {address}, {hostname} "
            "and {port} are its machine's and its own. Empty: all goes through the proxy.",
        ),
    ] = "ws://{address}:{port}/v1/stream",
    direct_port: Annotated[
        int,
        typer.Option(
            min=0,
            max=65_435,
            envvar="STREAMER_DIRECT_PORT",
            help="Each replica takes the first port that is free from here on; 0: any.",
        ),
    ] = 0,
    ray_port: Annotated[
        int,
        typer.Option(
            min=1,
            max=65_535,
            envvar="STREAMER_RAY_PORT",
            help="Where other machines join, if Ray does not run here yet.",
        ),
    ] = _RAY_PORT,
    device: DeviceOption = "cpu",
    batch_wait_ms: BatchWaitOption = WAIT_MS,
    threads: ThreadsOption = 2,
    llm: LlmOption = True,
    speech_model: SpeechModelOption = MOONSHINE.name,
    speech_language: SpeechLanguageOption = ENGLISH,
    llm_model: LlmModelOption = GEMMA.name,
    latency: LatencyOption = LatencyChoice.BALANCED,
    listener: ListenerOption = WHISPER_BASE.name,
    fusion: FusionOption = None,
    emotion: TellEmotionOption = EmotionChoice.ON,
    emotion_model: EmotionModelOption = EMOTION.name,
    language: LanguageOption = None,
    languages: LanguagesOption = True,
) -> None:
    """Serve on all machines that have joined. On a cluster that serves already, replicas with the
    new options take the place of the old ones. Returns when all are ready."""
    hears = speech_language_code(speech_language)
    spoken = checked_language(language or hears)
    with _told():
        from streamer.cluster import control
        from streamer.cluster.options import ClusterOptions
        from streamer.recognition.engine import EngineOptions

        try:
            options = ClusterOptions(
                server=ServerOptions(
                    host=host,
                    port=port,
                    token=token,
                    allow_origin=tuple(allow_origin or ()),
                    allow_host=tuple(allow_host or ()),
                    max_sessions=max_sessions,
                    idle_timeout_s=idle_timeout,
                    resume_s=resume_seconds,
                    shared_store=None if store is None else store.absolute(),
                    emotion=emotion.value,
                ),
                engine=EngineOptions(
                    device=device,
                    max_sessions=max_sessions,
                    batch_wait_ms=batch_wait_ms,
                    threads=threads,
                    llm=llm,
                    speech_model=speech_model,
                    speech_language=hears,
                    llm_model=llm_model,
                    latency=latency.value,
                    listener=listener,
                    fusion=fusion,
                    emotion_model=None if emotion is EmotionChoice.OFF else emotion_model,
                    languages=languages,
                    language=spoken,
                ),
                min_replicas=replicas,
                max_replicas=max_replicas or replicas,
                cpus=cpus,
                gpus=gpus,
                move_within_s=move_within,
                direct_url=direct_url or None,
                direct_port=direct_port,
            )
        except ValueError as error:
            fail(str(error), EXIT_USAGE)
        try:
            with control.connected():
                control.deploy(options)
        except control.NoRayError:
            control.start_ray(ray_port)
            with control.connected():
                control.deploy(options)
    typer.echo(f"Captions: http://{'localhost' if host == '0.0.0.0' else host}:{port}/")


def join(
    address: Annotated[
        str, typer.Argument(help="HOST:PORT of a machine that has started.", metavar="HOST:PORT")
    ],
) -> None:
    """Let this machine carry replicas of a cluster."""
    with _told():
        from streamer.cluster import control

        control.join_ray(address)


def status() -> None:
    """List the replicas: name, state, connections, and how many sessions they would still take."""
    with _told():
        from streamer.cluster import control

        with control.connected():
            for replica in control.replicas():
                typer.echo(
                    f"{replica.name}  {replica.state}  {replica.connections} connections  "
                    f"room for {replica.room}"
                )


def drain(
    replica: Annotated[str, typer.Argument(help="Its name, of `status`.", metavar="NAME")],
) -> None:
    """Let a replica send everybody to others; a fresh one takes its place. Returns at once."""
    with _told():
        from streamer.cluster import control

        with control.connected():
            control.drain(replica)


def stop(within: WithinOption = _MOVE_WITHIN_S) -> None:
    """Let sessions end in order, then stop serving. `ray stop` ends Ray itself, on each machine."""
    with _told():
        from streamer.cluster import control

        with control.connected():
            control.stop(within)


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong is a sentence."""
    try:
        from streamer.cluster import control
    except ImportError:
        fail("this needs Ray: pip install 'streamer[cluster]'")
    try:
        yield
    except control.ClusterError as error:
        fail(str(error))
