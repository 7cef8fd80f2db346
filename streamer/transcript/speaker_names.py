"""What those who speak are called in captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class SpeakerNames:
    """Names in the order of the labels; who has none is counted."""

    given: Sequence[str] = ()

    def of(self, speaker: int) -> str:
        """On one line."""
        named = " ".join(self.given[speaker].split()) if speaker < len(self.given) else ""
        return named or f"Speaker {speaker + 1}"


UNNAMED: Final = SpeakerNames()


class SpeakerChanges:
    """Tells where somebody else begins to speak."""

    def __init__(self, names: SpeakerNames) -> None:
        self._names = names
        self._last: int | None = None

    def name(self, speaker: int | None) -> str | None:
        """Of who speaks now, if that was not who spoke last; None too where it is not known."""
        changed = speaker is not None and speaker != self._last
        self._last = speaker if speaker is not None else self._last
        return self._names.of(speaker) if changed and speaker is not None else None
