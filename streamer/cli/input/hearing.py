"""One recording of `streamer transcribe`, from its opening to its last word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from streamer.audio.arrays import Floats
from streamer.audio.clock import seconds_from_samples
from streamer.audio.files import AudioFileError, apart_blocks_of, blocks_of
from streamer.audio.media.recording import Recording, open_recording
from streamer.cli.failures import complain
from streamer.cli.input.ctrl_c import ended_by_ctrl_c
from streamer.cli.input.recordings import Heard
from streamer.cli.output.file_progress import file_progress
from streamer.cli.output.live.outputs import LiveOutputs
from streamer.cli.output.transcript_output import Output, Saved
from streamer.recognition.channels.recognizer import ChannelsRecognizer
from streamer.recognition.contract import BEGINNING, SessionOptions, SpeechRecognizer
from streamer.recognition.engine import Engine
from streamer.recognition.languages import AUTO
from streamer.recognition.transcribe import Pacing, listen
from streamer.runtime.tracing import SpanSink
from streamer.transcript.emotion_shown import EmotionShown
from streamer.transcript.events import SegmentClosed, SessionEvent, SoundHeard, StepDone
from streamer.transcript.sides import NOBODY, Names, OpenSegments


@dataclass(frozen=True)
class Wanted:
    """What is to be made of each recording."""

    options: SessionOptions
    speed: int
    """0: as fast as it goes; 1: as if it were being spoken."""
    save: Path | None
    """Folder of caption files."""
    shown: EmotionShown
    names: Names = NOBODY
    """Of those who speak. Channels that have names are heard apart, others mixed."""


def hear(
    engine: Engine,
    heard: Heard,
    wanted: Wanted,
    spans: SpanSink,
    output: Output,
    live: LiveOutputs,
) -> bool:
    """Whether all went well. What is wrong is told; what was heard until then is kept."""
    problems: list[str] = []
    with ExitStack() as stack:
        try:
            recording = stack.enter_context(open_recording(heard.source))
            if heard.may_be_endless:
                stack.enter_context(ended_by_ctrl_c(recording.stop))
            blocks = _blocks(heard, recording, wanted.names.sides)
            first = next(blocks)
        except AudioFileError as error:
            complain(str(error))
            return False
        recognizer = _recognizer(engine, wanted, spans)
        stack.callback(recognizer.close)
        saved = None
        if wanted.save is not None:
            saved = stack.enter_context(
                Saved(wanted.save, heard.name, heard.stem, wanted.shown, wanted.names)
            )
        name = Path(heard.name).name
        shown = stack.enter_context(file_progress(name, recording.length_s))
        spoken = OpenSegments()

        def note(event: SessionEvent) -> None:
            live.on_event(event)
            spoken.on_event(event)
            if isinstance(event, StepDone):
                shown.reached(seconds_from_samples(event.processed_sample))
            elif isinstance(event, SegmentClosed) and event.segment.words:
                shown.write(output.add(event.segment, spoken.earliest))
                if saved is not None:
                    saved.add(event.segment, spoken.earliest)
            elif isinstance(event, SoundHeard):
                shown.write(output.add_sound(event, spoken.earliest))
                if saved is not None:
                    saved.add_sound(event, spoken.earliest)

        shown.write(output.head)
        done = listen(
            _until_damaged(chain([first], blocks), problems.append),
            recognizer,
            note,
            pacing=Pacing(realtime=wanted.speed == 1),
        )
        shown.reached(seconds_from_samples(done.n_samples))
        language = wanted.options.language
        given = language if language != AUTO else None
        for piece in output.end(replace(done, language=done.language or given)):
            shown.write(piece)
    for problem in problems:
        complain(problem)
    return not problems and not (saved is not None and saved.failed)


def _blocks(heard: Heard, recording: Recording, names: tuple[str, ...]) -> Iterator[Floats]:
    """Raises AudioFileError."""
    if not names:
        return blocks_of(recording)
    if recording.channels != len(names):
        raise AudioFileError(
            f"{heard.name}: has {recording.channels} channels, and --apart is of {len(names)}"
        )
    return apart_blocks_of(recording)


def _recognizer(engine: Engine, wanted: Wanted, spans: SpanSink) -> SpeechRecognizer:
    options = wanted.options
    channels = [engine.recognizer(options, spans) for _ in wanted.names.sides or [""]]
    if len(channels) == 1:
        return channels[0]
    return ChannelsRecognizer(
        channels,
        [BEGINNING] * len(channels),
        keep_echo=options.keep_echo,
        known_voices=len(options.known_voices),
    )


def _until_damaged(blocks: Iterator[Floats], report: Callable[[str], None]) -> Iterator[Floats]:
    try:
        yield from blocks
    except AudioFileError as error:
        report(str(error))
