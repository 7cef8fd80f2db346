"""Load the engine for a command, or end the command with a sentence."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.failures import EXIT_USAGE, fail
from streamer.cli.options import LatencyChoice, checked_language
from streamer.models.errors import ModelError
from streamer.recognition.languages import AUTO
from streamer.runtime.batcher import WAIT_MS

if TYPE_CHECKING:
    from streamer.recognition.engine import Engine


SpeechLanguageOption = Annotated[
    str,
    typer.Option(
        envvar="STREAMER_SPEECH_LANGUAGE",
        help="What the speech model hears: a code (ja) or name (japanese). With any other than "
        "English there is no LLM.",
        metavar="LANGUAGE",
    ),
]


def speech_language_code(name: str) -> str:
    """Of what `--speech-language` says; ends the command if nobody knows it."""
    code = checked_language(name, "--speech-language")
    if code == AUTO:
        fail("--speech-language: a speech model hears one language; name it", EXIT_USAGE)
    return code


def load_engine(
    device: str,
    threads: int,
    *,
    llm: bool,
    speech_model: str,
    speech_language: str,
    llm_model: str,
    latency: LatencyChoice,
    listener: str,
    fusion: Path | None,
    emotion_model: str | None,
    languages: bool,
    language: str,
    tell: bool,
    max_sessions: int = 1,
    batch_wait_ms: float = WAIT_MS,
) -> Engine:
    """Takes seconds; the very first time models are converted too, of which stderr tells.

    Args:
        emotion_model: None loads none.
        max_sessions: that a card sets memory aside for.
        batch_wait_ms: what waits for a model there waits so long for company.
        tell: say there too what other time is spent on.
    """
    # The transformers library reads this when it is imported, which takes a second: most do not
    # need it at all.
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    from streamer.models.onnx.runtime import DeviceUnavailableError
    from streamer.models.store.zoo import Zoo
    from streamer.recognition.engine import Engine, EngineOptions
    from streamer.recognition.languages import UnknownLanguageError

    try:
        return Engine.load(
            EngineOptions(
                device=device,
                max_sessions=max_sessions,
                batch_wait_ms=batch_wait_ms,
                threads=threads,
                llm=llm,
                speech_model=speech_model,
                speech_language=speech_language,
                llm_model=llm_model,
                latency=latency.value,
                listener=listener,
                fusion=fusion,
                emotion_model=emotion_model,
                languages=languages,
                language=language,
            ),
            Zoo(say=say),
            progress=say if tell else None,
        )
    except (ModelError, DeviceUnavailableError, UnknownLanguageError) as error:
        fail(str(error))


def say(what: str) -> None:
    typer.echo(f"{what} …", err=True)
