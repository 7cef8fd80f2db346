"""What `streamer transcribe` makes of a recording, segment by segment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Protocol

from streamer.audio.clock import seconds_from_samples
from streamer.cli.failures import complain
from streamer.cli.output.json_report import JsonReport
from streamer.models.emotion.track import UNKNOWN
from streamer.protocol.joining import joined
from streamer.recognition.transcribe import Hearing
from streamer.transcript.caption_files import CaptionFiles
from streamer.transcript.emotion_shown import EmotionShown, is_sure, volume
from streamer.transcript.events import SoundHeard
from streamer.transcript.formats import CaptionFormat, caption_writer
from streamer.transcript.ledger import Segment
from streamer.transcript.sides import Names, Naming


class Output(Protocol):
    """Text for standard output."""

    head: str

    def add(self, segment: Segment, open_from: int | None) -> str:
        """Of a segment that became final; `open_from`: see `CaptionWriter`."""

    def add_sound(self, sound: SoundHeard, open_from: int | None) -> str:
        """Of a sound that is no speech, when it begins and when it has ended."""

    def end(self, heard: Hearing) -> Iterable[str]:
        """After the last segment, in pieces."""


class Lines:
    """For people: a line a segment, with its time and what its voice tells. Where the voice is to
    be shown, loud words stand between asterisks."""

    def __init__(self, name: str, shown: EmotionShown, names: Names, *, several: bool) -> None:
        self.head = f"{name}:\n" if several else ""
        self._shown = shown
        self._naming = Naming(names)
        self._empty = True

    def add(self, segment: Segment, open_from: int | None) -> str:
        self._empty = False
        start, end = (seconds_from_samples(at) for at in (segment.start_sample, segment.end_sample))
        emotion = segment.emotion.label if segment.emotion is not None else UNKNOWN
        label = f"{emotion:<8}  " if self._shown is EmotionShown.FULL else ""
        tagged = self._shown in (EmotionShown.SUBTLE, EmotionShown.VOICE) and is_sure(emotion)
        tag = f"  ({emotion})" if tagged else ""
        said = f"{self._naming.prefix(segment.channel, segment.speaker)}{self._text(segment)}"
        return f"{start:7.2f} - {end:7.2f}  {label}{said}{tag}\n"

    def add_sound(self, sound: SoundHeard, open_from: int | None) -> str:
        if sound.end_sample is not None:
            return ""
        self._empty = False
        return f"{seconds_from_samples(sound.start_sample):7.2f} -          {sound.tag}\n"

    def _text(self, segment: Segment) -> str:
        if self._shown is not EmotionShown.VOICE:
            return segment.text
        return joined(
            f"*{word.text}*"
            if word.voice is not None and volume(word.voice.loudness_db) == "loud"
            else word.text
            for word in segment.words
        )

    def end(self, heard: Hearing) -> Iterable[str]:
        return ["(no speech)\n"] if self._empty else []


class Captions:
    """As the file of that format."""

    def __init__(self, wanted: CaptionFormat, shown: EmotionShown, names: Names) -> None:
        self._writer = caption_writer(wanted, shown, names)
        self.head = self._writer.head

    def add(self, segment: Segment, open_from: int | None) -> str:
        return self._writer.add(segment, open_from)

    def add_sound(self, sound: SoundHeard, open_from: int | None) -> str:
        return self._writer.add_sound(sound, open_from)

    def end(self, heard: Hearing) -> Iterable[str]:
        return [self._writer.end()]


class Json:
    """One object, at the end."""

    head = ""

    def __init__(self, report: JsonReport) -> None:
        self._report = report

    def add(self, segment: Segment, open_from: int | None) -> str:
        self._report.add(segment)
        return ""

    def add_sound(self, sound: SoundHeard, open_from: int | None) -> str:
        self._report.add_sound(sound)
        return ""

    def end(self, heard: Hearing) -> Iterable[str]:
        return self._report.end(heard)


class Saved:
    """Caption files beside the output. Where they cannot be written, that is told once and the
    transcription goes on. Use as context manager."""

    def __init__(
        self, folder: Path, name: str, stem: str, shown: EmotionShown, names: Names
    ) -> None:
        """
        Args:
            name: of the recording, for messages.
            stem: of the files, without their endings.
            shown: of the voice, in subtitles.
            names: of those who speak.
        """
        self.failed = False
        self._folder, self._name = folder, name
        self._files: CaptionFiles | None = None
        try:
            self._files = CaptionFiles(folder, stem, shown, names)
        except OSError as error:
            self._fail(error)

    def add(self, segment: Segment, open_from: int | None) -> None:
        self._write(lambda files: files.add(segment, open_from))

    def add_sound(self, sound: SoundHeard, open_from: int | None) -> None:
        self._write(lambda files: files.add_sound(sound, open_from))

    def _write(self, add: Callable[[CaptionFiles], None]) -> None:
        if self._files is not None and not self.failed:
            try:
                add(self._files)
            except OSError as error:
                self._fail(error)

    def __enter__(self) -> Saved:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._files is not None:
            self._files.__exit__(kind, error, traceback)

    def _fail(self, error: OSError) -> None:
        self.failed = True
        complain(
            f"{self._name}: its captions cannot be written to {self._folder}: {error.strerror}"
        )
