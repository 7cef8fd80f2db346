"""`streamer transcribe`: files through the streaming path, without a server."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from streamer.audio.media.contract import RawFormat
from streamer.cli.engine_loading import SpeechLanguageOption, load_engine, speech_language_code
from streamer.cli.failures import EXIT_INTERRUPTED, EXIT_USAGE, complain, fail
from streamer.cli.options import (
    DecoderChoice,
    DeviceOption,
    EmotionModelOption,
    FusionOption,
    HlsMinutesOption,
    HotWordOption,
    JsonOption,
    KeepEchoOption,
    KnownOption,
    LanguageOption,
    LatencyChoice,
    LatencyOption,
    ListenerOption,
    LlmModelOption,
    NameOption,
    NumbersOption,
    OverwriteOption,
    ProfanityFilterOption,
    RedactOption,
    SaveOption,
    ShowEmotionOption,
    SoundsOption,
    SpeakersOption,
    SpeechModelOption,
    TaskChoice,
    TaskOption,
    ThreadsOption,
    ToOption,
    checked_language,
    side_names,
    written_language,
)
from streamer.models.store.catalog import EMOTION, GEMMA, MOONSHINE, WHISPER_BASE
from streamer.recognition.languages import AUTO, ENGLISH
from streamer.transcript.emotion_shown import EmotionShown
from streamer.transcript.formats import CaptionFormat
from streamer.transcript.sides import Names

if TYPE_CHECKING:
    from streamer.cli.input.hearing import Wanted
    from streamer.cli.input.recordings import Heard
    from streamer.cli.output.transcript_output import Output
    from streamer.runtime.tracing import SpanSink

DEFAULT_NAMES: Final = ("Speaker 1", "Speaker 2")


def transcribe(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES...",
            help="Sound or film of any format: files, folders of them, - for standard input, "
            "http addresses of files, radios and HLS.",
        ),
    ],
    as_json: JsonOption = False,
    caption_format: Annotated[
        CaptionFormat | None,
        typer.Option(
            "--format",
            envvar="STREAMER_FORMAT",
            help="Print the captions of one file in this format, as they become final.",
        ),
    ] = None,
    speed: Annotated[
        int,
        typer.Option(
            min=0,
            max=1,
            envvar="STREAMER_SPEED",
            help="0: as fast as it goes. 1: as if it were being spoken. The result is the same.",
        ),
    ] = 0,
    decoder: Annotated[
        DecoderChoice,
        typer.Option(
            envvar="STREAMER_DECODER", help="draft: speech model alone. fused: with the LLM."
        ),
    ] = DecoderChoice.FUSED,
    context: Annotated[
        str,
        typer.Option(
            envvar="STREAMER_CONTEXT",
            help="What was said before or what it is about.",
            metavar="TEXT",
        ),
    ] = "",
    hot_word: HotWordOption = None,
    numbers: NumbersOption = False,
    profanity_filter: ProfanityFilterOption = False,
    redact: RedactOption = None,
    speakers: SpeakersOption = 0,
    known: KnownOption = None,
    save: SaveOption = None,
    to: ToOption = None,
    hls_minutes: HlsMinutesOption = 0,
    overwrite: OverwriteOption = False,
    device: DeviceOption = "cpu",
    threads: ThreadsOption = 2,
    speech_model: SpeechModelOption = MOONSHINE.name,
    speech_language: SpeechLanguageOption = ENGLISH,
    llm_model: LlmModelOption = GEMMA.name,
    latency: LatencyOption = LatencyChoice.BALANCED,
    listener: ListenerOption = WHISPER_BASE.name,
    fusion: FusionOption = None,
    show_emotion: ShowEmotionOption = EmotionShown.SUBTLE,
    sounds: SoundsOption = False,
    emotion_model: EmotionModelOption = EMOTION.name,
    language: LanguageOption = None,
    task: TaskOption = TaskChoice.TRANSCRIBE,
    raw: Annotated[
        RawFormat | None,
        typer.Option(
            envvar="STREAMER_RAW",
            help="Standard input holds samples without a container, in this format.",
        ),
    ] = None,
    rate: Annotated[
        int,
        typer.Option(
            min=1_000, max=768_000, envvar="STREAMER_RATE", help="Samples a second, with --raw."
        ),
    ] = 16_000,
    channels: Annotated[
        int,
        typer.Option(
            min=1, max=16, envvar="STREAMER_CHANNELS", help="Channels side by side, with --raw."
        ),
    ] = 1,
    apart: Annotated[
        bool,
        typer.Option(
            "--apart",
            envvar="STREAMER_APART",
            help="Caption the two channels of a recording apart, as two people.",
        ),
    ] = False,
    name: NameOption = None,
    keep_echo: KeepEchoOption = False,
    trace: Annotated[
        Path | None,
        typer.Option(
            envvar="STREAMER_TRACE",
            help="Write the time of every stage here, for ui.perfetto.dev.",
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Transcribe recordings: words, times, segments, emotion.

    A stream without an end is heard until ctrl-C. A file that cannot be used is reported and the
    others are still done; the exit code tells.
    """
    from streamer.cli.input.hearing import Wanted, hear
    from streamer.cli.input.known_voices import known_people, known_voices
    from streamer.cli.input.recordings import inputs
    from streamer.cli.output.live.outputs import live_outputs
    from streamer.recognition.contract import SessionOptions
    from streamer.runtime.tracing import NullSpans, TraceWriter
    from streamer.transcript.written.options import WritingOptions

    hears = speech_language_code(speech_language)
    spoken = checked_language(language or hears)
    if redact and spoken != ENGLISH and task is not TaskChoice.TRANSLATE:
        fail("--redact: numbers are redacted in English alone", EXIT_USAGE)
    recordings = inputs(files, raw, rate, channels)
    if to and len(recordings) > 1:
        fail("--to gives the captions of one file on", EXIT_USAGE)
    _check_usage(
        [heard.stem for heard in recordings],
        save,
        caption_format,
        as_json=as_json,
        overwrite=overwrite,
    )
    people = known_people(known, speakers)
    names = Names(_side_names(name, apart=apart), tuple(one.name for one in people))
    options = SessionOptions(
        decoder=decoder.value,
        context=context,
        hot_words=tuple(hot_word or ()),
        emotion=show_emotion is not EmotionShown.OFF,
        sounds=sounds,
        language=spoken,
        task=task.value,
        speakers=speakers,
        keep_echo=keep_echo,
        writing=WritingOptions(
            numbers, profanity_filter, frozenset(choice.value for choice in redact or ())
        ),
    )
    with ExitStack() as stack:
        written = written_language(spoken, task)
        live = live_outputs(to or (), written, show_emotion, names, hls_minutes=hls_minutes)
        stack.enter_context(live)
        writer = None
        if trace is not None:
            try:
                writer = stack.enter_context(TraceWriter(trace))
            except OSError as error:
                fail(f"--trace: the trace cannot be written to {trace}: {error.strerror}")
        # Only of English it knows what is likely.
        fused = decoder is DecoderChoice.FUSED and spoken in (ENGLISH, AUTO)
        # In a script, stderr holds nothing but what went wrong.
        engine = load_engine(
            device,
            threads,
            llm=fused,
            speech_model=speech_model,
            speech_language=hears,
            llm_model=llm_model,
            latency=latency,
            listener=listener,
            fusion=fusion,
            emotion_model=None if show_emotion is EmotionShown.OFF else emotion_model,
            languages=spoken != hears,
            language=spoken,
            tell=sys.stderr.isatty(),
        )
        stack.callback(engine.close)
        options = replace(options, known_voices=known_voices(engine, people))
        wanted = Wanted(options, speed, save, show_emotion, names)
        failed = 0
        try:
            for heard in recordings:
                spans: SpanSink = NullSpans()
                if writer is not None:
                    spans = writer.session(Path(heard.name).name)
                with ExitStack() as opened:
                    several = len(recordings) > 1
                    output = _output(
                        heard, caption_format, wanted, opened, as_json, several=several
                    )
                    failed += not hear(engine, heard, wanted, spans, output, live)
        except KeyboardInterrupt:
            fail("stopped before the end; files that are done stay", EXIT_INTERRUPTED)
    for told in live.problems:
        complain(told)
    if failed or live.problems:
        raise typer.Exit(1)


def _side_names(name: list[str] | None, *, apart: bool) -> tuple[str, ...]:
    if name and not apart:
        fail("--name is of channels that are kept apart: --apart", EXIT_USAGE)
    return side_names(name, DEFAULT_NAMES) if apart else ()


def _check_usage(
    stems: list[str],
    save: Path | None,
    caption_format: CaptionFormat | None,
    *,
    as_json: bool,
    overwrite: bool,
) -> None:
    from streamer.cli.output.kept_captions import keep_captions

    if caption_format is not None and as_json:
        fail("--json and --format are two forms of output; choose one", EXIT_USAGE)
    if caption_format is not None and len(stems) > 1:
        fail("--format prints the captions of one file; use --save for several", EXIT_USAGE)
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if save is not None and twice is not None:
        fail(f"two files would be saved as {twice}.srt; save them one by one", EXIT_USAGE)
    if save is not None:
        keep_captions(save, stems, overwrite=overwrite)


def _output(
    heard: Heard,
    caption_format: CaptionFormat | None,
    wanted: Wanted,
    opened: ExitStack,
    as_json: bool,
    *,
    several: bool,
) -> Output:
    from streamer.cli.output.json_report import json_report
    from streamer.cli.output.transcript_output import Captions, Json, Lines

    if as_json:
        return Json(opened.enter_context(json_report(heard.name, wanted.names)))
    if caption_format is not None:
        return Captions(caption_format, wanted.shown, wanted.names)
    return Lines(heard.name, wanted.shown, wanted.names, several=several)
