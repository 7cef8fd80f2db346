"""The query of Deepgram's `POST /v1/listen`, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import QueryParams

from streamer.audio.pcm import SampleFormat
from streamer.dialects.common.settings import Offer, SettingError, silence_within_reach
from streamer.dialects.deepgram.settings import (
    FORMATS,
    Wanted,
    channels_in,
    flag,
    read_rate,
    read_wanted,
    refuse,
)

_REFUSED: Final = {
    "summarize": "nothing is summarized",
    "topics": "topics are not detected",
    "intents": "intents are not detected",
    "sentiment": "only the emotion of the voice is told, to those who ask with emotion=true",
}
"""As those that live audio has to do without."""
_SECONDS: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{0,9})?")


@dataclass(frozen=True)
class RawAudio:
    """Samples without a container."""

    sample_format: SampleFormat
    rate: int
    channels: int


@dataclass(frozen=True)
class RecordingSettings:
    """Of a recording."""

    wanted: Wanted
    raw: RawAudio | None
    """None: what is in the recording tells its format."""
    utterances: bool
    paragraphs: bool
    language_detected: bool
    """Whether it was asked which language is spoken."""


def read_recording_settings(query: QueryParams, offer: Offer) -> RecordingSettings:
    """
    Raises:
        SettingError: a parameter is out of range, or asks for what is not to be had here.
    """
    refuse(query, _REFUSED)
    detect = query.get("detect_language", "").lower()
    return RecordingSettings(
        wanted=read_wanted(query, offer, _silence_ms(query)),
        raw=_raw(query),
        utterances=flag(query, "utterances"),
        paragraphs=flag(query, "paragraphs") or flag(query, "smart_format"),
        language_detected=detect not in ("false", ""),
    )


def _silence_ms(query: QueryParams) -> float | None:
    """The pause between two utterances."""
    seconds = query.get("utt_split")
    if not seconds:
        return None
    if not _SECONDS.fullmatch(seconds):
        raise SettingError("utt_split", f"{seconds!r:.40} is no number of seconds")
    return silence_within_reach(1_000 * float(seconds))


def _raw(query: QueryParams) -> RawAudio | None:
    """Other encodings than these come in a container."""
    sample_format = FORMATS.get(query.get("encoding", "").lower())
    if sample_format is None:
        return None
    return RawAudio(sample_format, read_rate(query), channels_in(query))
