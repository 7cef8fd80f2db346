"""What a session is told to expect, in the beginning or while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.models.fusion.score import initial_prompt


@dataclass(frozen=True, slots=True)
class Expectation:
    context: str = ""
    """Text that was said or shown before."""
    hot_words: tuple[str, ...] = ()
    """Names and terms."""

    @property
    def prompt(self) -> str:
        """What the LLM reads before the first word."""
        return initial_prompt(self.context, self.hot_words)
