"""`streamer serve`: the websocket server and its caption page."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from streamer.cli.engine_loading import SpeechLanguageOption, load_engine, speech_language_code
from streamer.cli.failures import EXIT_USAGE, fail
from streamer.cli.input.device import BatchWaitOption
from streamer.cli.links import Links, is_open_to_others
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
from streamer.client.bundled import page_folder
from streamer.hosting.options import TLS_CERTIFICATE, ServerOptions
from streamer.models.store.catalog import EMOTION, GEMMA, MOONSHINE, WHISPER_BASE
from streamer.recognition.languages import ENGLISH
from streamer.runtime.batcher import WAIT_MS

_DEFAULTS = ServerOptions()
_STDIN: Final = 0
_READ_BYTES: Final = 4_096


def serve(
    context: typer.Context,
    host: HostOption = _DEFAULTS.host,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, envvar="STREAMER_PORT", help="0 takes a free one.")
    ] = _DEFAULTS.port,
    token: TokenOption = None,
    tls: Annotated[
        bool,
        typer.Option(
            "--tls",
            envvar="STREAMER_TLS",
            help="Serve HTTPS with a certificate of this machine's own, so that phones and others "
            "in its network may use their microphone.",
        ),
    ] = False,
    allow_origin: AllowOriginOption = None,
    allow_host: AllowHostOption = None,
    max_sessions: Annotated[
        int,
        typer.Option(min=1, envvar="STREAMER_MAX_SESSIONS", help="Clients beyond are refused."),
    ] = _DEFAULTS.max_sessions,
    idle_timeout: IdleTimeoutOption = _DEFAULTS.idle_timeout_s,
    resume_seconds: ResumeSecondsOption = _DEFAULTS.resume_s,
    wyoming_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65_535,
            envvar="STREAMER_WYOMING_PORT",
            help="Serve Wyoming clients (Home Assistant) here too; usually 10300.",
        ),
    ] = None,
    wyoming_zeroconf: Annotated[
        bool,
        typer.Option(
            "--wyoming-zeroconf",
            envvar="STREAMER_WYOMING_ZEROCONF",
            help="Announce the Wyoming port in the network, so that Home Assistant finds it.",
        ),
    ] = False,
    store: Annotated[
        Path | None,
        typer.Option(
            envvar="STREAMER_STORE",
            help="Keep committed words in this file, so that sessions outlive the server.",
            dir_okay=False,
        ),
    ] = None,
    replica: Annotated[
        str | None,
        typer.Option(
            envvar="STREAMER_REPLICA",
            help="Name of this server among several behind one balancer, which finds it by the "
            "ids of its sessions: they begin with NAME and a point.",
            metavar="NAME",
        ),
    ] = None,
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
    trace: Annotated[
        Path | None,
        typer.Option(
            envvar="STREAMER_TRACE",
            help="Write the time of every stage here, for ui.perfetto.dev.",
            dir_okay=False,
        ),
    ] = None,
    stop_at_eof: Annotated[
        bool,
        typer.Option(
            "--stop-at-eof",
            envvar="STREAMER_STOP_AT_EOF",
            help="Stop when standard input ends, as it does with the program at its other end.",
        ),
    ] = False,
) -> None:
    """Serve captions to web pages and programs. Prints the caption page's address when ready."""
    if stop_at_eof:
        threading.Thread(target=_terminate_at_eof, daemon=True).start()
    hears = speech_language_code(speech_language)
    spoken = checked_language(language or hears)
    try:
        options = ServerOptions(
            host=host,
            port=port,
            token=token,
            allow_origin=tuple(allow_origin or ()),
            allow_host=tuple(allow_host or ()),
            max_sessions=max_sessions,
            idle_timeout_s=idle_timeout,
            resume_s=resume_seconds,
            emotion=emotion.value,
            wyoming_port=wyoming_port,
            wyoming_zeroconf=wyoming_zeroconf,
            store=store,
            replica=replica,
            trace=trace,
            tls=_tls_folder() if tls else None,
        )
    except ValueError as error:
        fail(_with_option_names(str(error)), EXIT_USAGE)
    from streamer.app import check_ports, create_app, run_server
    from streamer.dialects.wyoming.announcement import AnnouncementError, check_library
    from streamer.hosting.store_file import StoreError

    if token is None and is_open_to_others(host):
        typer.echo(
            f"warning: --host {host} lets anybody in this network speak and upload here; "
            "--token SECRET keeps strangers out",
            err=True,
        )
    try:
        check_ports(options)
        if wyoming_zeroconf:
            check_library()
    except OSError as error:
        _cannot_listen(options, error)
    except AnnouncementError as error:
        fail(f"--wyoming-zeroconf: {error}")
    if options.tls is not None:
        _prepare_certificate(options, options.tls)
    engine = load_engine(
        device,
        threads,
        llm=llm,
        speech_model=speech_model,
        speech_language=hears,
        llm_model=llm_model,
        latency=latency,
        listener=listener,
        fusion=fusion,
        emotion_model=None if emotion is EmotionChoice.OFF else emotion_model,
        languages=languages,
        language=spoken,
        tell=True,
        max_sessions=max_sessions,
        batch_wait_ms=batch_wait_ms,
    )
    try:
        app = create_app(engine, options, page_folder())
    except OSError as error:
        engine.close()
        fail(f"--trace: the trace cannot be written to {trace}: {error.strerror}")
    except StoreError as error:
        engine.close()
        fail(f"--store: {error}")
    try:
        links = Links(host, token if _may_be_shown(context) else None)
        run_server(
            app, host, port, lambda url: _announce(links, url, app.state.server.wyoming_address)
        )
    except OSError as error:
        _cannot_listen(options, error)
    except AnnouncementError as error:
        fail(f"--wyoming-zeroconf: {error}")
    finally:
        engine.close()


def _terminate_at_eof() -> None:
    """Waits for it. While models load the signal ends the program at once, later in order."""
    with contextlib.suppress(OSError):  # as good as its end
        while os.read(_STDIN, _READ_BYTES):
            pass
    signal.raise_signal(signal.SIGTERM)


def _with_option_names(message: str) -> str:
    """With the settings that it has in backticks called as on the command line."""
    fields = {field.name for field in dataclasses.fields(ServerOptions)}

    def option(found: re.Match[str]) -> str:
        return f"--{found[1].replace('_', '-')}" if found[1] in fields else found[0]

    return re.sub(r"`(\w+)`", option, message)


def _cannot_listen(options: ServerOptions, error: OSError) -> NoReturn:
    # asyncio adds the address to the text; the number has the plain words.
    reason = os.strerror(error.errno) if error.errno else str(error)
    if options.wyoming_port is None:
        ports, choice = f"port {options.port}", "choose another --port"
    else:
        ports = f"ports {options.port} and {options.wyoming_port}"
        choice = "choose another --port or --wyoming-port"
    fail(f"cannot listen on {options.host} {ports}: {reason}; {choice}")


def _tls_folder() -> Path:
    from streamer.models.store.zoo import Zoo

    return Zoo().cache_dir / "tls"


def _prepare_certificate(options: ServerOptions, folder: Path) -> None:
    from streamer.cli.certificate import certificate, names_of_this_machine

    try:
        sha256 = certificate(folder, names_of_this_machine(options.host, options.allow_host))
    except OSError as error:
        fail(f"--tls: the certificate cannot be kept in {folder}: {error.strerror}")
    typer.echo(f"certificate {folder / TLS_CERTIFICATE}, SHA-256 {sha256}", err=True)


def _may_be_shown(context: typer.Context) -> bool:
    """Whether the token may: a log is no place for one that was kept out of the command."""
    source = context.get_parameter_source("token")
    return sys.stdout.isatty() or (source is not None and source.name == "COMMANDLINE")


def _announce(links: Links, url: str, wyoming_address: str | None) -> None:
    if wyoming_address is not None:
        typer.echo(f"Wyoming: {wyoming_address}")
    # echo flushes: whoever started us waits for these lines.
    for line in links.lines(url):
        typer.echo(line)
