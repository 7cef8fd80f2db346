"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.failures import EXIT_USAGE, fail
from streamer.cli.input.device import checked_device
from streamer.protocol.speakers import MAX_SPEAKERS
from streamer.recognition.languages import AUTO, ENGLISH, NAMES, language_code
from streamer.transcript.emotion_shown import EmotionShown


class LatencyChoice(StrEnum):
    LOW = "low"
    BALANCED = "balanced"
    ACCURATE = "accurate"


class EmotionChoice(StrEnum):
    OFF = "off"
    OPT_IN = "opt-in"
    ON = "on"


class TaskChoice(StrEnum):
    TRANSCRIBE = "transcribe"
    TRANSLATE = "translate"


class RedactChoice(StrEnum):
    NUMBERS = "numbers"
    PCI = "pci"
    SSN = "ssn"


class DecoderChoice(StrEnum):
    DRAFT = "draft"
    FUSED = "fused"


HostOption = Annotated[
    str, typer.Option(envvar="STREAMER_HOST", help="Address to listen on; 0.0.0.0 for all.")
]
AllowOriginOption = Annotated[
    list[str] | None,
    typer.Option(
        envvar="STREAMER_ALLOW_ORIGIN",
        help="Web page from elsewhere that may connect, or *. May be repeated.",
        metavar="URL",
    ),
]
AllowHostOption = Annotated[
    list[str] | None,
    typer.Option(
        envvar="STREAMER_ALLOW_HOST",
        help="Name to answer for beside localhost, as behind a proxy on this machine, or *. "
        "May be repeated.",
        metavar="NAME",
    ),
]
IdleTimeoutOption = Annotated[
    float,
    typer.Option(
        min=1.0, envvar="STREAMER_IDLE_TIMEOUT", help="Seconds until a silent client is closed."
    ),
]
ResumeSecondsOption = Annotated[
    float,
    typer.Option(
        min=1.0,
        envvar="STREAMER_RESUME_SECONDS",
        help="How long a session waits for a client whose connection broke.",
    ),
]
TellEmotionOption = Annotated[
    EmotionChoice,
    typer.Option(
        envvar="STREAMER_EMOTION",
        help="Who is told the emotion of the voice. off: nobody, and no model for it is "
        "loaded. opt-in: who asks. on: native clients unless they say no, others who ask.",
    ),
]
LanguagesOption = Annotated[
    bool,
    typer.Option(
        "--languages/--no-languages",
        envvar="STREAMER_LANGUAGES",
        help="Let clients speak other languages than English. Off: less memory.",
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        envvar="STREAMER_DEVICE",
        metavar="cpu|cuda|cuda:N",
        help="Where the models run: cpu, cuda, or cuda:1 on the second card.",
        callback=checked_device,
    ),
]
ThreadsOption = Annotated[
    int,
    typer.Option(min=1, max=256, envvar="STREAMER_THREADS", help="CPU threads for the models."),
]
LlmOption = Annotated[
    bool,
    typer.Option(
        "--llm/--no-llm",
        envvar="STREAMER_LLM",
        help="Let the language model decide about words. Off: less memory, more errors.",
    ),
]
SpeechModelOption = Annotated[
    str,
    typer.Option(
        envvar="STREAMER_SPEECH_MODEL",
        help="What recognizes speech: a folder, or hub:OWNER/REPOSITORY@COMMIT, with any Moonshine "
        "or, for people with a GPU, any other speech model of the transformers library.",
        metavar="NAME",
    ),
]
LatencyOption = Annotated[
    LatencyChoice,
    typer.Option(
        envvar="STREAMER_LATENCY",
        help="low: the draft and the LLM decide about words. balanced: where they are in doubt, a "
        "second, stronger listener too. accurate: always, with more sound behind each decision.",
    ),
]
ListenerOption = Annotated[
    str,
    typer.Option(
        envvar="STREAMER_LISTENER",
        help="The second listener: whisper-base, a folder, or hub:OWNER/REPOSITORY@COMMIT, with a "
        "Whisper for CTranslate2.",
        metavar="NAME",
    ),
]
LanguageOption = Annotated[
    str | None,
    typer.Option(
        envvar="STREAMER_LANGUAGE",
        help="What is spoken: a code (de) or name (german), or auto. Other languages than the "
        "speech model's are heard by the second listener alone.",
        metavar="LANGUAGE",
    ),
]
TaskOption = Annotated[
    TaskChoice,
    typer.Option(
        envvar="STREAMER_TASK", help="translate: into English what is not English already."
    ),
]
LlmModelOption = Annotated[
    str,
    typer.Option(
        envvar="STREAMER_LLM_MODEL",
        help="The language model: a folder, or hub:OWNER/REPOSITORY@COMMIT, with a causal "
        "language model of the transformers library.",
        metavar="NAME",
    ),
]
FusionOption = Annotated[
    Path | None,
    typer.Option(
        envvar="STREAMER_FUSION",
        help="A trained fusion of the language model with sound and emotion: a folder that "
        "streamer.models.train.fusion.train wrote.",
        file_okay=False,
        metavar="FOLDER",
    ),
]
EmotionModelOption = Annotated[
    str,
    typer.Option(
        envvar="STREAMER_EMOTION_MODEL",
        help="What tells the emotion: a folder, or hub:OWNER/REPOSITORY@COMMIT, with an "
        "audio-classification model of the transformers library.",
        metavar="NAME",
    ),
]
ShowEmotionOption = Annotated[
    EmotionShown,
    typer.Option(
        envvar="STREAMER_SHOW_EMOTION",
        help="Of the voice, beside the words. off: nothing, and nothing of it is computed. subtle: "
        "(angry) at what is surely so. full: the emotion of everything. voice: as subtle, and loud "
        "words look loud.",
    ),
]
SoundsOption = Annotated[
    bool, typer.Option("--sounds", envvar="STREAMER_SOUNDS", help="Tell of music, too: [music].")
]
HotWordOption = Annotated[
    list[str] | None,
    typer.Option(envvar="STREAMER_HOT_WORD", help="A name or term to expect. May be repeated."),
]
NumbersOption = Annotated[
    bool,
    typer.Option(
        "--numbers",
        envvar="STREAMER_NUMBERS",
        help="Write numbers, money, times, dates and phone numbers in figures. In English.",
    ),
]
ProfanityFilterOption = Annotated[
    bool,
    typer.Option(
        "--profanity-filter",
        envvar="STREAMER_PROFANITY_FILTER",
        help="Mask swear words. In English.",
    ),
]
RedactOption = Annotated[
    list[RedactChoice] | None,
    typer.Option(
        envvar="STREAMER_REDACT",
        help="Mask numbers: all, those of cards (pci), or social security numbers (ssn). May be "
        "repeated. In English.",
    ),
]


def _several(speakers: int) -> int:
    if speakers == 1:
        raise typer.BadParameter("use 2 or more, or leave it out")
    return speakers


SpeakersOption = Annotated[
    int,
    typer.Option(
        min=0,
        max=MAX_SPEAKERS,
        envvar="STREAMER_SPEAKERS",
        help="Tell who speaks, of so many people at most (on each side): 2 to 8. 0: nobody is told "
        "apart.",
        callback=_several,
    ),
]
KnownOption = Annotated[
    list[str] | None,
    typer.Option(
        envvar="STREAMER_KNOWN",
        help="With --speakers: somebody who may speak, and a few seconds of that voice. May be "
        "repeated.",
        metavar="NAME=FILE",
    ),
]
SaveOption = Annotated[
    Path | None,
    typer.Option(
        envvar="STREAMER_SAVE",
        help="Also write .srt, .vtt, .jsonl and .txt into this folder, segment by segment.",
        file_okay=False,
        metavar="FOLDER",
    ),
]
ToOption = Annotated[
    list[str] | None,
    typer.Option(
        envvar="STREAMER_TO",
        help="Also give the captions, sentence by sentence, to hls:FOLDER (WebVTT segments and "
        "their playlist) or zoom:URL (a meeting's caption address). May be repeated.",
        metavar="PLACE",
    ),
]
NameOption = Annotated[
    list[str] | None,
    typer.Option(
        envvar="STREAMER_NAME",
        help="What a side of the conversation is called in captions: given twice, for the first "
        "and the second.",
        metavar="NAME",
    ),
]
KeepEchoOption = Annotated[
    bool,
    typer.Option(
        "--keep-echo",
        envvar="STREAMER_KEEP_ECHO",
        help="Of two sides, also caption what the first microphone hears of the second side.",
    ),
]
HlsMinutesOption = Annotated[
    int,
    typer.Option(
        min=0,
        envvar="STREAMER_HLS_MINUTES",
        help="With --to hls: the newest minutes stay in the playlist, and older segments are "
        "deleted. 0: all is kept.",
        metavar="MINUTES",
    ),
]
OverwriteOption = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        envvar="STREAMER_OVERWRITE",
        help="Replace caption files that are there already.",
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", envvar="STREAMER_JSON", help="Print JSON, one object a line."),
]
TokenOption = Annotated[
    str | None,
    typer.Option(envvar="STREAMER_TOKEN", help="Secret that clients must show.", metavar="SECRET"),
]


def checked_language(name: str, option: str = "--language") -> str:
    """The language's code, or `auto`; ends the command if nobody knows it."""
    code = language_code(name)
    if code is None:
        known = ", ".join(sorted(NAMES))
        fail(f"{option}: {name!r:.40} is not known; use {AUTO}, or one of {known}", EXIT_USAGE)
    return code


def side_names(given: list[str] | None, default: tuple[str, ...]) -> tuple[str, ...]:
    """Of the sides of a conversation; ends the command if they are not as many as those."""
    names = tuple(" ".join(name.split()) for name in given or default)
    if len(names) != len(default) or not all(names):
        fail(f"--name is given {len(default)} times, once for each side", EXIT_USAGE)
    return names


def written_language(language: str | None, task: TaskChoice) -> str:
    """Of the captions, as a code; a server that finds out is taken to find English."""
    if task is TaskChoice.TRANSLATE or language in (None, AUTO):
        return ENGLISH
    return str(language)


def server_options(
    threads: int, emotion_model: str, *, llm: bool, languages: bool = False
) -> list[str]:
    """What a server started by another command is told."""
    return [
        *("--threads", str(threads)),
        *("--emotion-model", emotion_model),
        "--llm" if llm else "--no-llm",
        "--languages" if languages else "--no-languages",
    ]
