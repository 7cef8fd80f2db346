"""`streamer mic`: live captions of a microphone, in the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from streamer.cli.failures import EXIT_INTERRUPTED, EXIT_USAGE, complain, fail
from streamer.cli.options import (
    DecoderChoice,
    EmotionModelOption,
    HlsMinutesOption,
    HotWordOption,
    KeepEchoOption,
    KnownOption,
    LlmOption,
    NameOption,
    NumbersOption,
    ProfanityFilterOption,
    RedactOption,
    SaveOption,
    ShowEmotionOption,
    SoundsOption,
    SpeakersOption,
    TaskChoice,
    TaskOption,
    ThreadsOption,
    TokenOption,
    ToOption,
    checked_language,
    server_options,
    side_names,
    written_language,
)
from streamer.models.store.catalog import EMOTION
from streamer.recognition.languages import ENGLISH
from streamer.transcript.emotion_shown import EmotionShown

if TYPE_CHECKING:
    from rich.console import Console

    from streamer.cli.output.caption_view import CaptionView, ShownCaptions
    from streamer.cli.output.live.outputs import LiveOutputs
    from streamer.client.client import Client
    from streamer.client.devices.pair import MicrophonePair
    from streamer.client.microphone import AudioSystem, InputDevice, Microphone
    from streamer.protocol.messages import StartMessage
    from streamer.transcript.caption_files import CaptionFiles
    from streamer.transcript.sides import Names

_DEFAULT_NAMES: Final = ("You", "Others")


def mic(
    device: Annotated[
        int | None,
        typer.Option(
            min=0, envvar="STREAMER_MIC_DEVICE", help="Microphone number, see --list-devices."
        ),
    ] = None,
    second_device: Annotated[
        int | None,
        typer.Option(
            min=0,
            envvar="STREAMER_MIC_SECOND_DEVICE",
            help="Also hear this device, say what the loudspeaker plays, and caption each by "
            "itself.",
        ),
    ] = None,
    name: NameOption = None,
    keep_echo: KeepEchoOption = False,
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
    hot_word: HotWordOption = None,
    language: Annotated[
        str | None,
        typer.Option(
            envvar="STREAMER_LANGUAGE",
            help="What is spoken: a code (de) or name (german), or auto. Left out: the server's "
            "own choice.",
            metavar="LANGUAGE",
        ),
    ] = None,
    task: TaskOption = TaskChoice.TRANSCRIBE,
    numbers: NumbersOption = False,
    profanity_filter: ProfanityFilterOption = False,
    redact: RedactOption = None,
    speakers: SpeakersOption = 0,
    known: KnownOption = None,
    save: SaveOption = None,
    to: ToOption = None,
    hls_minutes: HlsMinutesOption = 60,
    threads: ThreadsOption = 2,
    llm: LlmOption = True,
    show_emotion: ShowEmotionOption = EmotionShown.SUBTLE,
    sounds: SoundsOption = False,
    emotion_model: EmotionModelOption = EMOTION.name,
) -> None:
    """Caption a microphone live. ctrl-C ends it, after the last words have come; so do SIGTERM and
    a terminal that is closed.

    --threads, --llm and --emotion-model are for the server that is started here; they don't change
    one at --url. --save names its files after the time.
    """
    from streamer.cli.input.known_voices import known_people
    from streamer.cli.local_server import LocalServerError, local_server
    from streamer.cli.output.live.outputs import live_outputs
    from streamer.client.address import websocket_url
    from streamer.client.microphone import MicrophoneError, audio_system, choose_device
    from streamer.client.transcript import ClientError
    from streamer.client.voices import voice_print
    from streamer.transcript.sides import Names

    if name and second_device is None:
        fail("--name is of two devices: --second-device", EXIT_USAGE)
    people = known_people(known, speakers)
    names = Names(
        sides=() if second_device is None else side_names(name, _DEFAULT_NAMES),
        people=tuple(one.name for one in people),
    )
    start = _settings(
        channels=max(1, len(names.sides)),
        keep_echo=keep_echo,
        decoder=decoder.value if decoder is not None else None,
        context=context,
        hot_words=tuple(hot_word or ()),
        emotion=show_emotion is not EmotionShown.OFF,
        sounds=sounds,
        language=checked_language(language) if language is not None else None,
        task=task.value,
        numbers=numbers,
        profanity_filter=profanity_filter,
        redact=tuple(sorted({choice.value for choice in redact or ()})),
        speakers=speakers or False,
    )
    try:
        system = audio_system()
        if list_devices:
            _print_devices(system)
            return
        wanted = (device,) if second_device is None else (device, second_device)
        chosen = [choose_device(system, index) for index in wanted]
        with contextlib.ExitStack() as stack:
            files = None
            if save is not None:
                files = stack.enter_context(_caption_files(save, show_emotion, names))
            written = written_language(start.language, task)
            outputs = stack.enter_context(
                live_outputs(to or (), written, show_emotion, names, hls_minutes=hls_minutes)
            )
            if url is None:
                foreign = start.language not in (None, ENGLISH)
                options = server_options(threads, emotion_model, llm=llm, languages=foreign)
                if show_emotion is EmotionShown.OFF:
                    options += ["--emotion", "off"]
                address = stack.enter_context(
                    local_server(options, lambda line: typer.echo(line, err=True))
                )
            else:
                address = websocket_url(url)
            voices = tuple(voice_print(one.path.read_bytes(), address, token) for one in people)
            start = start.model_copy(update={"known_voices": voices})
            problem = asyncio.run(
                _caption(system, chosen, address, token, start, files, outputs, show_emotion, names)
            )
        for told in outputs.problems:
            complain(told)
        if outputs.problems:
            raise typer.Exit(1)
        if problem is not None:
            fail(f"the captions could not be written to {save}: {problem.strerror}")
    except ValueError as error:
        fail(str(error), EXIT_USAGE)
    except (MicrophoneError, ClientError, LocalServerError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("stopped before the last words came", EXIT_INTERRUPTED)


def _settings(**settings: Any) -> StartMessage:
    """Ends the command if they cannot be."""
    from pydantic import ValidationError

    from streamer.protocol.messages import StartMessage

    try:
        return StartMessage(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--hot-word" if first["loc"][0] == "hot_words" else "--context"
        fail(f"{option}: {first['msg']}", EXIT_USAGE)


def _print_devices(system: AudioSystem) -> None:
    from streamer.client.microphone import list_devices

    devices = list_devices(system)
    for device in devices:
        mark = "*" if device.is_default else " "
        typer.echo(f"{mark} {device.index:>3}  {device.name}  ({device.sample_rate} Hz)")
    if not devices:
        typer.echo("no microphone was found")


def _caption_files(folder: Path, shown: EmotionShown, names: Names) -> CaptionFiles:
    from streamer.transcript.caption_files import CaptionFiles

    try:
        return CaptionFiles(folder, time.strftime("%Y-%m-%d_%H-%M-%S"), shown, names)
    except OSError as error:
        fail(f"the captions cannot be written to {folder}: {error.strerror}")


async def _caption(
    system: AudioSystem,
    devices: list[InputDevice],
    address: str,
    token: str | None,
    start: StartMessage,
    files: CaptionFiles | None,
    outputs: LiveOutputs,
    show_emotion: EmotionShown,
    names: Names,
) -> OSError | None:
    """Gives what kept captions from being saved.

    Raises:
        MicrophoneError, ClientError
    """
    from rich.console import Console

    from streamer.cli.output.caption_view import CaptionView, shown
    from streamer.cli.output.session_output import Giving, Saving
    from streamer.client.client import connect
    from streamer.client.devices.pair import MicrophonePair
    from streamer.client.microphone import Microphone

    first, *others = devices
    both = [MicrophonePair(system, first, second) for second in others]
    async with both[0] if both else Microphone(system, first) as microphone:
        start = start.model_copy(update={"sample_rate": microphone.sample_rate})
        async with connect(address, start, token) as client:
            title = " + ".join(device.name for device in devices)
            view = CaptionView(client.transcript, title, show_emotion, names)
            console = Console()
            with shown(console, view) as captions:
                feeding = asyncio.create_task(_feed(microphone, client, view, console))
                watching = asyncio.create_task(_watch(client, captions))
                saving = Saving(client, files, view)
                giving = Giving(outputs, view)
                try:
                    async for event in client:
                        captions.apply(event)
                        saving.save(event)
                        giving.give(event)
                finally:
                    watching.cancel()
                    if client.bye is None:
                        feeding.cancel()
                    # What was committed is certain, even if its segment will not be finished.
                    client.transcript.interrupt()
                    saving.save()
                    with contextlib.suppress(asyncio.CancelledError):
                        await feeding
    return saving.problem


async def _watch(client: Client, captions: ShownCaptions) -> None:
    async for connected in client.connections():
        captions.tell_connection(connected)


async def _feed(
    microphone: Microphone | MicrophonePair, client: Client, view: CaptionView, console: Console
) -> None:
    """Send the microphone until a signal asks for the end, or until it is unplugged; then let the
    server finish.

    Raises MicrophoneError, ClientError.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def hang_up() -> None:
        console.quiet = True  # the terminal is gone, and writing to it would fail
        stop.set()

    actions = {signal.SIGINT: stop.set, signal.SIGTERM: stop.set}
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:  # as nohup sets it
        actions[hangup] = hang_up
    # Where signals cannot be handled by the loop, they end the program at once.
    with contextlib.suppress(NotImplementedError):
        for number, action in actions.items():
            loop.add_signal_handler(number, action)
    stopped = asyncio.create_task(stop.wait())
    sending = asyncio.create_task(_send(microphone, client, view))
    try:
        await asyncio.wait({stopped, sending}, return_when=asyncio.FIRST_COMPLETED)
        with contextlib.suppress(NotImplementedError):
            for number in actions:
                loop.remove_signal_handler(number)
        view.notice = "finishing … (ctrl-C again: at once)"
        await client.stop()
        view.notice = ""
        if sending.done():
            sending.result()
    finally:
        stopped.cancel()
        sending.cancel()


async def _send(microphone: Microphone | MicrophonePair, client: Client, view: CaptionView) -> None:
    async for chunk in microphone:
        view.level_db = microphone.level_db
        client.skip_audio(chunk.lost_before)
        await client.send_audio(chunk.samples, chunk.capture_time_ms)
