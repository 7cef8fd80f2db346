"""A recording's transcription as one JSON object: what `streamer transcribe --json` prints."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

from streamer.audio.clock import seconds_from_samples
from streamer.protocol.joining import gap
from streamer.recognition.transcribe import Hearing
from streamer.transcript.events import SoundHeard
from streamer.transcript.formats import segment_dict, sound_dict, word_dict
from streamer.transcript.ledger import Segment
from streamer.transcript.sides import NOBODY, Names

_PIECE_CHARS: Final = 1 << 16


@contextmanager
def json_report(file: str, names: Names = NOBODY) -> Iterator[JsonReport]:
    """A report on the recording of that name.

    Args:
        names: of those who speak.

    Raises:
        OSError: there is no room for temporary files.
    """
    with _spool() as text, _spool() as words, _spool() as segments:
        yield JsonReport(file, names, text, words, segments)


class JsonReport:
    """Takes segments as they become final and gives the object at the end.

    The object has all text, then all words, then all segments; until then they wait in files, so
    that memory does not grow with the recording.
    """

    def __init__(
        self,
        file: str,
        names: Names,
        text: IO[str],
        words: IO[str],
        segments: IO[str],
    ) -> None:
        self._file = file
        self._names = names
        self._text, self._words, self._segments = text, words, segments
        self._last = ""
        self._sounds: dict[tuple[int, int], SoundHeard] = {}
        """By channel and beginning. They are few."""

    def add_sound(self, sound: SoundHeard) -> None:
        """When it begins, and when it has ended."""
        self._sounds[sound.channel, sound.start_sample] = sound

    def add(self, segment: Segment) -> None:
        """Raises OSError."""
        if self._last:
            self._text.write(gap(self._last, segment.text))
            self._words.write(", ")
            self._segments.write(", ")
        self._last = segment.text
        self._text.write(_json(segment.text)[1:-1])
        of_channel = {"channel": segment.channel} if self._names.sides else {}
        words = [word_dict(word) | of_channel for word in segment.words]
        self._words.write(_json(words)[1:-1])
        self._segments.write(_json(segment_dict(segment, self._names)))

    def end(self, heard: Hearing) -> Iterator[str]:
        """The object on one line, in pieces."""
        duration_s = round(seconds_from_samples(heard.n_samples), 3)
        about = {"file": self._file, "duration_s": duration_s, "language": heard.language}
        yield f'{_json(about)[:-1]}, "text": "'
        yield from _pieces(self._text)
        yield '", "words": ['
        yield from _pieces(self._words)
        yield '], "segments": ['
        yield from _pieces(self._segments)
        sounds = [sound_dict(sound, self._names) for sound in self._sounds.values()]
        figures = ({"sounds": sounds} if sounds else {}) | {
            "latency_ms": {
                stage: {"p50": round(p.p50, 2), "p95": round(p.p95, 2), "p99": round(p.p99, 2)}
                for stage, p in heard.latency.items()
            },
            "compute_s": round(heard.compute_s, 3),
            "lost_samples": heard.lost_samples,
        }
        yield f"], {_json(figures)[1:]}\n"


def _spool() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _pieces(file: IO[str]) -> Iterator[str]:
    file.seek(0)
    while piece := file.read(_PIECE_CHARS):
        yield piece
