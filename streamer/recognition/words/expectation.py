"""What a session is told to expect, in the beginning or while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.models.fusion.score import initial_prompt
from streamer.recognition.contract import SessionChange


@dataclass(frozen=True, slots=True)
class Expectation:
    context: str = ""
    """Text that was said or shown before."""
    hot_words: tuple[str, ...] = ()
    """Names and terms."""

    def changed(self, change: SessionChange) -> Expectation:
        """This after a change."""
        return Expectation(
            self.context if change.context is None else change.context,
            self.hot_words if change.hot_words is None else change.hot_words,
        )

    @property
    def prompt(self) -> str:
        """What the LLM reads before the first word."""
        return initial_prompt(self.context, self.hot_words)
