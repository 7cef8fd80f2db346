"""Who speaks, as the native protocol has it."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from streamer.protocol.voice_prints import VoicePrint
from streamer.protocol.wire import Numbered

MAX_SPEAKERS: Final = 8

Speaker = Annotated[int | None, Field(exclude_if=lambda speaker: speaker is None)]
"""A label; left out where it is not told."""

KnownVoices = Annotated[tuple[VoicePrint, ...], Field(max_length=MAX_SPEAKERS)]


class SpeakersEvent(Numbered):
    """Who said the committed words of the open segment, as it seems now: one for each, from the
    word `first_word_id` on; null where that is not known. It may change until they are final."""

    type: Literal["speakers"] = "speakers"
    segment_id: int
    first_word_id: int
    speakers: tuple[int | None, ...]
