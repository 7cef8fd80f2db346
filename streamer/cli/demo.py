"""`streamer demo`: bundled speech through the real server, captioned live."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.failures import EXIT_INTERRUPTED, fail
from streamer.cli.options import (
    DeviceOption,
    EmotionModelOption,
    LlmOption,
    OverwriteOption,
    ThreadsOption,
    server_options,
)
from streamer.models.store.catalog import EMOTION

_PLAIN_WIDTH = 110
"""Columns where the output is no terminal and has no width of its own."""

_MAX_CLIPS = 8
"""So that everything is over in a minute and a half, the installation included."""


def demo(
    output: Annotated[
        Path,
        typer.Option(envvar="STREAMER_OUTPUT", help="Folder for the captions.", file_okay=False),
    ] = Path("captions"),
    overwrite: OverwriteOption = False,
    device: DeviceOption = "cpu",
    threads: ThreadsOption = 2,
    llm: LlmOption = True,
    emotion_model: EmotionModelOption = EMOTION.name,
) -> None:
    """Caption about a minute of bundled speech, live, through a server of its own."""
    from rich.console import Console

    from streamer.audio.files import AudioFileError
    from streamer.cli.demo_play import CAPTIONS_NAME, caption_files, play, programme
    from streamer.cli.demo_report import print_report
    from streamer.cli.local_server import LocalServerError, local_server
    from streamer.cli.output.kept_captions import keep_captions
    from streamer.client.bundled import bundled_speech
    from streamer.client.transcript import ClientError

    keep_captions(output, [CAPTIONS_NAME], overwrite=overwrite)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PLAIN_WIDTH)
    options = ["--device", device, *server_options(threads, emotion_model, llm=llm)]
    try:
        show = programme(bundled_speech()[:_MAX_CLIPS])
        with local_server(options, lambda line: console.print(line, style="dim")) as url:
            console.print(f"{len(show.clips)} clips through {url}, in real time", style="dim")
            result = asyncio.run(play(url, show, console))
        print_report(console, show, result)
        files = caption_files(output, result)
    except FileNotFoundError as error:
        fail(f"the bundled speech is missing from this installation: {error.filename}")
    except OSError as error:
        fail(f"the captions cannot be written to {output}: {error.strerror}")
    except (AudioFileError, ClientError, LocalServerError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("stopped before the end", EXIT_INTERRUPTED)
    console.print(f"captions: {', '.join(str(file) for file in files)}", soft_wrap=True)
    if not result.segments:
        fail("the server heard no words in the bundled speech")
