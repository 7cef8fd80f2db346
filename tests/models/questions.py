"""One question to a second listener, alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from streamer.audio.arrays import Floats
from streamer.models.whisper.contract import (
    Hearing,
    ScoreQuestion,
    SecondListener,
    TimedWord,
    TimesQuestion,
)

Answer = TypeVar("Answer")


def score(listener: SecondListener, hearing: Hearing, texts: Sequence[str]) -> list[float]:
    return _only(listener.score([ScoreQuestion(hearing, texts)]))


def times(listener: SecondListener, hearing: Hearing, text: str) -> list[TimedWord]:
    return _only(listener.times([TimesQuestion(hearing, text)]))


def languages_of(listener: SecondListener, samples: Floats) -> list[tuple[str, float]]:
    return _only(listener.language([samples]))


def _only(answers: Sequence[Answer | Exception]) -> Answer:
    """Raises what stands in an answer's place."""
    (answer,) = answers
    if isinstance(answer, Exception):
        raise answer
    return answer
