"""`streamer transcribe`: files through the streaming path, without a server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
import typer

from streamer.audio.clock import seconds_from_samples
from streamer.cli.engine_loading import load_engine
from streamer.cli.failures import EXIT_INTERRUPTED, EXIT_USAGE, complain, fail
from streamer.cli.options import (
    DecoderChoice,
    Device,
    DeviceOption,
    EmotionModelOption,
    FusionOption,
    HotWordOption,
    JsonOption,
    LanguageOption,
    LatencyChoice,
    LatencyOption,
    ListenerOption,
    LlmModelOption,
    OverwriteOption,
    SaveOption,
    ShowEmotionOption,
    SpeechModelOption,
    TaskChoice,
    TaskOption,
    ThreadsOption,
    checked_language,
)
from streamer.models.store.catalog import EMOTION, GEMMA, MOONSHINE, WHISPER_BASE
from streamer.recognition.languages import AUTO, ENGLISH
from streamer.transcript.emotion_shown import EmotionShown
from streamer.transcript.formats import CaptionFormat

if TYPE_CHECKING:
    from streamer.cli.output.transcript_output import Output
    from streamer.recognition.contract import SessionOptions
    from streamer.recognition.engine import Engine
    from streamer.runtime.tracing import SpanSink
    from streamer.transcript.events import SessionEvent


def transcribe(
    files: Annotated[list[Path], typer.Argument(help="Audio: wav, flac, mp3, ogg.")],
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
    save: SaveOption = None,
    overwrite: OverwriteOption = False,
    device: DeviceOption = Device.CPU,
    threads: ThreadsOption = 2,
    speech_model: SpeechModelOption = MOONSHINE.name,
    llm_model: LlmModelOption = GEMMA.name,
    latency: LatencyOption = LatencyChoice.BALANCED,
    listener: ListenerOption = WHISPER_BASE.name,
    fusion: FusionOption = None,
    show_emotion: ShowEmotionOption = EmotionShown.SUBTLE,
    emotion_model: EmotionModelOption = EMOTION.name,
    language: LanguageOption = ENGLISH,
    task: TaskOption = TaskChoice.TRANSCRIBE,
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

    A file that cannot be used is reported and the others are still done; the exit code tells.
    """
    from streamer.recognition.contract import SessionOptions
    from streamer.runtime.tracing import NullSpans, TraceWriter

    spoken = checked_language(language)
    _check_usage(files, save, caption_format, as_json=as_json, overwrite=overwrite)
    options = SessionOptions(
        decoder=decoder.value,
        context=context,
        hot_words=tuple(hot_word or ()),
        emotion=show_emotion is not EmotionShown.OFF,
        language=spoken,
        task=task.value,
    )
    with ExitStack() as stack:
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
            llm_model=llm_model,
            latency=latency,
            listener=listener,
            fusion=fusion,
            emotion_model=None if show_emotion is EmotionShown.OFF else emotion_model,
            languages=spoken != ENGLISH,
            language=spoken,
            tell=sys.stderr.isatty(),
        )
        stack.callback(engine.close)
        failed = 0
        try:
            for path in files:
                spans: SpanSink = writer.session(path.name) if writer is not None else NullSpans()
                with ExitStack() as opened:
                    several = len(files) > 1
                    output = _output(
                        path, caption_format, show_emotion, opened, as_json=as_json, several=several
                    )
                    failed += not _transcribe_file(
                        engine, path, options, spans, speed, output, save, show_emotion
                    )
        except KeyboardInterrupt:
            fail("stopped before the end; files that are done stay", EXIT_INTERRUPTED)
    if failed:
        raise typer.Exit(1)


def _check_usage(
    files: list[Path],
    save: Path | None,
    caption_format: CaptionFormat | None,
    *,
    as_json: bool,
    overwrite: bool,
) -> None:
    from streamer.cli.output.kept_captions import keep_captions

    if caption_format is not None and as_json:
        fail("--json and --format are two forms of output; choose one", EXIT_USAGE)
    if caption_format is not None and len(files) > 1:
        fail("--format prints the captions of one file; use --save for several", EXIT_USAGE)
    stems = [path.stem for path in files]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if save is not None and twice is not None:
        fail(f"two files would be saved as {twice}.srt; save them one by one", EXIT_USAGE)
    if save is not None:
        keep_captions(save, stems, overwrite=overwrite)


def _output(
    path: Path,
    caption_format: CaptionFormat | None,
    shown: EmotionShown,
    opened: ExitStack,
    *,
    as_json: bool,
    several: bool,
) -> Output:
    from streamer.cli.output.json_report import json_report
    from streamer.cli.output.transcript_output import Captions, Json, Lines

    if as_json:
        return Json(opened.enter_context(json_report(str(path))))
    if caption_format is not None:
        return Captions(caption_format, shown)
    return Lines(path, shown, several=several)


def _transcribe_file(
    engine: Engine,
    path: Path,
    options: SessionOptions,
    spans: SpanSink,
    speed: int,
    output: Output,
    save: Path | None,
    show_emotion: EmotionShown,
) -> bool:
    """Whether all went well. What is wrong is told; what was heard until then is kept."""
    from streamer.audio.files import AudioFileError, length_s, read_blocks
    from streamer.cli.output.file_progress import file_progress
    from streamer.cli.output.transcript_output import Saved
    from streamer.recognition.transcribe import Pacing, listen
    from streamer.transcript.events import SegmentClosed, StepDone

    problems: list[str] = []
    blocks = read_blocks(path)
    try:
        first = next(blocks)
    except AudioFileError as error:
        complain(str(error))
        return False
    with ExitStack() as stack:
        recognizer = engine.recognizer(options, spans)
        stack.callback(recognizer.close)
        saved = None
        if save is not None:
            saved = stack.enter_context(Saved(save, path, show_emotion))
        shown = stack.enter_context(file_progress(path.name, length_s(path)))

        def note(event: SessionEvent) -> None:
            if isinstance(event, StepDone):
                shown.reached(seconds_from_samples(event.processed_sample))
            elif isinstance(event, SegmentClosed) and event.segment.words:
                shown.write(output.add(event.segment))
                if saved is not None:
                    saved.add(event.segment)

        shown.write(output.head)
        heard = listen(
            _until_damaged(chain([first], blocks), problems.append),
            recognizer,
            note,
            pacing=Pacing(realtime=speed == 1),
        )
        shown.reached(seconds_from_samples(heard.n_samples))
        given = options.language if options.language != AUTO else None
        for piece in output.end(replace(heard, language=heard.language or given)):
            shown.write(piece)
    for problem in problems:
        complain(problem)
    return not problems and not (saved is not None and saved.failed)


def _until_damaged(
    blocks: Iterator[npt.NDArray[np.float32]], report: Callable[[str], None]
) -> Iterator[npt.NDArray[np.float32]]:
    from streamer.audio.files import AudioFileError

    try:
        yield from blocks
    except AudioFileError as error:
        report(str(error))
