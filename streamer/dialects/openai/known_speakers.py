"""Speakers who are known beforehand, as OpenAI has it: a name, and a few seconds of each."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from streamer.audio.files import AudioFileError
from streamer.dialects.common.settings import SettingError
from streamer.protocol.speakers import MAX_SPEAKERS
from streamer.recognition.contract import RecognizerFactory, SessionOptions
from streamer.recognition.speakers.enrolment import NoVoiceError
from streamer.server.requests.voice_print import recorded_voice

KNOWN_NAMES: Final = "known_speaker_names"
KNOWN_REFERENCES: Final = "known_speaker_references"
_DATA_URL: Final = re.compile(r"data:[\w.+-]+/[\w.+-]+(;[\w.+-]+=[\w.+-]+)*;base64,")
_MAX_NAME_CHARS: Final = 64


@dataclass(frozen=True)
class KnownSpeaker:
    name: str
    recording: bytes
    """Of any format."""


def read_known_speakers(names: Sequence[str], references: Sequence[str]) -> list[KnownSpeaker]:
    """
    Args:
        references: data URLs.

    Raises:
        SettingError
    """
    if len(names) != len(references):
        raise SettingError(KNOWN_NAMES, f"send as many as {KNOWN_REFERENCES}: one for each")
    if len(names) > MAX_SPEAKERS:
        raise SettingError(KNOWN_NAMES, f"send {MAX_SPEAKERS} at most")
    if len(set(names)) < len(names) or not all(0 < len(n) <= _MAX_NAME_CHARS for n in names):
        raise SettingError(KNOWN_NAMES, f"send names of 1 to {_MAX_NAME_CHARS} letters, each once")
    return [KnownSpeaker(*pair) for pair in zip(names, map(_decoded, references), strict=True)]


def known_voices(
    engine: RecognizerFactory, session: SessionOptions, speakers: Sequence[KnownSpeaker]
) -> SessionOptions:
    """The session with their voices, in their order. Blocks.

    Raises:
        SettingError: one cannot be known by what was sent.
    """
    try:
        voices = tuple(
            recorded_voice(engine, one.recording, f"that of {one.name}") for one in speakers
        )
    except (AudioFileError, NoVoiceError) as error:
        raise SettingError(KNOWN_REFERENCES, str(error)) from error
    return replace(session, known_voices=voices)


def _decoded(reference: str) -> bytes:
    head = _DATA_URL.match(reference)
    try:
        if head is not None:
            return base64.b64decode(reference[head.end() :], validate=True)
    except binascii.Error:
        pass
    raise SettingError(KNOWN_REFERENCES, "send each as a data URL: data:audio/wav;base64,…")
