"""`--known NAME=FILE`: people who may speak, and what they are known by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamer.audio.arrays import Floats
from streamer.audio.files import AudioFileError, read_samples
from streamer.cli.failures import EXIT_USAGE, fail
from streamer.protocol.speakers import MAX_SPEAKERS
from streamer.recognition.contract import RecognizerFactory
from streamer.recognition.speakers.enrolment import NoVoiceError


@dataclass(frozen=True)
class Known:
    name: str
    path: Path
    """A recording of a few seconds."""


def known_people(given: Sequence[str] | None, speakers: int) -> list[Known]:
    """Ends the command if they cannot be."""
    if given and not speakers:
        fail("--known is of people who are told apart: --speakers", EXIT_USAGE)
    if len(given or ()) > MAX_SPEAKERS:
        fail(f"--known is given {MAX_SPEAKERS} times at most", EXIT_USAGE)
    return [_known(text) for text in given or ()]


def known_voices(engine: RecognizerFactory, people: Sequence[Known]) -> tuple[Floats, ...]:
    """Theirs, in their order; ends the command if somebody cannot be known by the recording."""
    return tuple(_voice(engine, one) for one in people)


def _voice(engine: RecognizerFactory, one: Known) -> Floats:
    try:
        return engine.voice_print(read_samples(one.path))
    except AudioFileError as error:
        fail(f"--known {one.name}: {error}")
    except NoVoiceError as error:
        fail(f"--known {one.name}: {one.path}: {error}")


def _known(text: str) -> Known:
    name, separator, path = text.partition("=")
    name = " ".join(name.split())
    if not name or not separator:
        fail(f"--known {text!r:.60}: write NAME=FILE", EXIT_USAGE)
    if not Path(path).is_file():
        fail(f"--known: there is no file {path}", EXIT_USAGE)
    return Known(name, Path(path))
