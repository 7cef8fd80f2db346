"""Who speaks, as the native protocol has it."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, StrictBool

from streamer.protocol.numbers import NO_BOOLEAN
from streamer.protocol.voice_prints import VoicePrint
from streamer.protocol.wire import OfChannel

MAX_SPEAKERS: Final = 8

MostSpeakers = StrictBool | Annotated[int, Field(ge=2, le=MAX_SPEAKERS), NO_BOOLEAN]
"""People to tell apart in each channel, at most; true: as many as the server expects."""

Speaker = Annotated[int | None, Field(exclude_if=lambda speaker: speaker is None)]
"""A label; left out where it is not told."""

NextId = Annotated[int | None, Field(exclude_if=lambda segment_id: segment_id is None)]
"""That of the words behind a segment that ends where somebody else speaks; left out elsewhere."""

KnownVoices = Annotated[tuple[VoicePrint, ...], Field(max_length=MAX_SPEAKERS)]


class SpeakersEvent(OfChannel):
    """Who said the committed words of the channel's open segment, as it seems now: one for each, in
    order, from the word `first_word_id` on; null where that is not known. It may change until they
    are final."""

    type: Literal["speakers"] = "speakers"
    segment_id: int
    first_word_id: int
    speakers: tuple[int | None, ...]
