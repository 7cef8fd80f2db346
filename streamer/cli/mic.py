"""`streamer mic`: live captions of a microphone, in the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.failures import EXIT_USAGE, fail
from streamer.cli.options import DecoderChoice, LlmOption, ThreadsOption, TokenOption

if TYPE_CHECKING:
    from clients.client import Client
    from clients.microphone import AudioSystem, InputDevice, Microphone
    from streamer.caption_view import CaptionView
    from streamer.protocol import StartMessage


def mic(
    device: Annotated[
        int | None,
        typer.Option(
            min=0, envvar="STREAMER_MIC_DEVICE", help="Microphone number, see --list-devices."
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            envvar="STREAMER_URL",
            help="A running server, such as http://host:8765. Left out: one is started here.",
            metavar="ADDRESS",
        ),
    ] = None,
    list_devices: Annotated[
        bool,
        typer.Option(
            "--list-devices", envvar="STREAMER_LIST_DEVICES", help="List microphones and stop."
        ),
    ] = False,
    token: TokenOption = None,
    decoder: Annotated[
        DecoderChoice | None,
        typer.Option(envvar="STREAMER_DECODER", help="Left out: the server's own choice."),
    ] = None,
    context: Annotated[
        str,
        typer.Option(envvar="STREAMER_CONTEXT", help="What it will be about.", metavar="TEXT"),
    ] = "",
    threads: ThreadsOption = 2,
    llm: LlmOption = True,
) -> None:
    """Caption a microphone live. ctrl-C ends it, after the last words have come.

    --threads and --llm are for the server that is started here; they don't change one at --url.
    """
    from pydantic import ValidationError

    from clients.client import ClientError
    from clients.microphone import MicrophoneError, audio_system, choose_device
    from streamer.local_server import LocalServerError, local_server, websocket_url
    from streamer.protocol import StartMessage

    try:
        start = StartMessage(
            decoder=decoder.value if decoder is not None else None, context=context
        )
    except ValidationError as error:
        fail(f"--context: {error.errors()[0]['msg']}", EXIT_USAGE)
    try:
        system = audio_system()
        if list_devices:
            _print_devices(system)
            return
        chosen = choose_device(system, device)
        with contextlib.ExitStack() as stack:
            if url is None:
                options = ["--threads", str(threads), "--llm" if llm else "--no-llm"]
                address = stack.enter_context(
                    local_server(options, lambda line: typer.echo(line, err=True))
                )
            else:
                address = websocket_url(url)
            asyncio.run(_caption(system, chosen, address, token, start))
    except ValueError as error:
        fail(str(error), EXIT_USAGE)
    except (MicrophoneError, ClientError, LocalServerError) as error:
        fail(str(error))


def _print_devices(system: AudioSystem) -> None:
    from clients.microphone import list_devices

    devices = list_devices(system)
    for device in devices:
        mark = "*" if device.is_default else " "
        typer.echo(f"{mark} {device.index:>3}  {device.name}  ({device.sample_rate} Hz)")
    if not devices:
        typer.echo("no microphone was found")


async def _caption(
    system: AudioSystem,
    device: InputDevice,
    address: str,
    token: str | None,
    start: StartMessage,
) -> None:
    """Raises MicrophoneError, ClientError."""
    from rich.console import Console

    from clients.client import connect
    from clients.microphone import Microphone
    from streamer.caption_view import CaptionView, shown

    async with Microphone(system, device) as microphone:
        start = start.model_copy(update={"sample_rate": microphone.sample_rate})
        async with connect(address, start, token) as client:
            view = CaptionView(client.transcript, device.name)
            with shown(Console(), view) as captions:
                feeding = asyncio.create_task(_feed(microphone, client, view))
                try:
                    async for event in client:
                        captions.apply(event)
                finally:
                    if client.bye is None:
                        feeding.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await feeding


async def _feed(microphone: Microphone, client: Client, view: CaptionView) -> None:
    """Send the microphone until ctrl-C, or until it is unplugged; then let the server finish.

    Raises MicrophoneError, ClientError.
    """
    stop = asyncio.Event()
    # Where signals cannot be handled by the loop, ctrl-C ends the program at once.
    with contextlib.suppress(NotImplementedError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    stopped = asyncio.create_task(stop.wait())
    sending = asyncio.create_task(_send(microphone, client, view))
    try:
        await asyncio.wait({stopped, sending}, return_when=asyncio.FIRST_COMPLETED)
        await client.stop()
        if sending.done():
            sending.result()
    finally:
        stopped.cancel()
        sending.cancel()


async def _send(microphone: Microphone, client: Client, view: CaptionView) -> None:
    async for chunk in microphone:
        view.level_db = microphone.level_db
        client.skip_audio(chunk.lost_before)
        await client.send_audio(chunk.samples, chunk.capture_time_ms)
