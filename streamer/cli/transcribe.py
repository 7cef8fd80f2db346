"""`streamer transcribe`: files through the streaming path, without a server."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
import typer

from models.catalog import EMOTION
from streamer.cli.engine_loading import load_engine
from streamer.cli.failures import complain, fail
from streamer.cli.options import (
    DecoderChoice,
    Device,
    DeviceOption,
    EmotionModelOption,
    JsonOption,
    ThreadsOption,
)
from streamer.clock import seconds_from_samples
from streamer.ledger import Segment

if TYPE_CHECKING:
    from streamer.engine import Engine
    from streamer.latency import SpanSink
    from streamer.recognizer_api import SessionOptions
    from streamer.transcribe import Transcription


def transcribe(
    files: Annotated[list[Path], typer.Argument(help="Audio: wav, flac, mp3, ogg.")],
    as_json: JsonOption = False,
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
    hot_word: Annotated[
        list[str] | None,
        typer.Option(envvar="STREAMER_HOT_WORD", help="A name or term to expect. May be repeated."),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            envvar="STREAMER_SAVE",
            help="Also write FILE.srt, .vtt, .jsonl and .txt into this folder.",
            file_okay=False,
            metavar="FOLDER",
        ),
    ] = None,
    device: DeviceOption = Device.CPU,
    threads: ThreadsOption = 2,
    emotion_model: EmotionModelOption = EMOTION.name,
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
    from streamer.latency import NullSpans, TraceWriter
    from streamer.recognizer_api import SessionOptions

    options = SessionOptions(
        decoder=decoder.value, context=context, hot_words=tuple(hot_word or ())
    )
    with ExitStack() as stack:
        writer = None
        if trace is not None:
            try:
                writer = stack.enter_context(TraceWriter(trace))
            except OSError as error:
                fail(f"the trace cannot be written to {trace}: {error.strerror}")
        fused = decoder is DecoderChoice.FUSED
        # In a script, stderr holds nothing but what went wrong.
        engine = load_engine(
            device, threads, llm=fused, emotion_model=emotion_model, tell=sys.stderr.isatty()
        )
        stack.callback(engine.close)
        failed = 0
        for path in files:
            spans: SpanSink = writer.session(path.name) if writer is not None else NullSpans()
            result, problem = _transcribe_file(engine, path, options, spans, speed)
            if problem is not None:
                complain(problem)
                failed += 1
            if result is None:
                continue
            if as_json:
                typer.echo(json.dumps(result.as_dict(str(path)), ensure_ascii=False))
            else:
                _print_text(path, result, several=len(files) > 1)
            if save is not None and not _save(save, path, result.segments):
                failed += 1
    if failed:
        raise typer.Exit(1)


def _transcribe_file(
    engine: Engine, path: Path, options: SessionOptions, spans: SpanSink, speed: int
) -> tuple[Transcription | None, str | None]:
    """The transcription, and what is wrong with the file.

    Both are there when the file breaks off in the middle: what was heard before is kept.
    """
    from streamer.audio_file import read_blocks
    from streamer.transcribe import Pacing, transcribe

    problems: list[str] = []
    recognizer = engine.recognizer(options, spans)
    try:
        blocks = _until_damaged(read_blocks(path), problems.append)
        result = transcribe(blocks, recognizer, pacing=Pacing(realtime=speed == 1))
    finally:
        recognizer.close()
    problem = problems[0] if problems else None
    return (None if problem and result.n_samples == 0 else result), problem


def _until_damaged(
    blocks: Iterator[npt.NDArray[np.float32]], report: Callable[[str], None]
) -> Iterator[npt.NDArray[np.float32]]:
    from streamer.audio_file import AudioFileError

    try:
        yield from blocks
    except AudioFileError as error:
        report(str(error))


def _print_text(path: Path, result: Transcription, *, several: bool) -> None:
    if several:
        typer.echo(f"{path}:")
    for segment in result.segments:
        start, end = (seconds_from_samples(at) for at in (segment.start_sample, segment.end_sample))
        emotion = segment.emotion.label if segment.emotion is not None else "unknown"
        typer.echo(f"{start:7.2f} - {end:7.2f}  {emotion:<8}  {segment.text}")
    if not result.segments:
        typer.echo("(no speech)")


def _save(folder: Path, path: Path, segments: tuple[Segment, ...]) -> bool:
    from streamer.exports import write_all

    try:
        write_all(folder, path.stem, segments)
    except OSError as error:
        complain(f"{path}: its captions cannot be written to {folder}: {error.strerror}")
        return False
    return True
