"""Who decides about words: under load the second listener is the first to go, then the LLM."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.recognition.contract import Decoder
from streamer.transcript.events import DecoderChanged


@dataclass(frozen=True, slots=True)
class Backlogs:
    """Samples that wait for their step."""

    pause_listener: int
    """With more, the second listener is left out."""
    pause_llm: int
    """With more, the LLM is left out, once the second listener is."""
    resume: int
    """With no more, who was left out comes back, the LLM first."""


class DecoderChoice:
    """One session's: all that there are, fewer while the machine is behind."""

    def __init__(self, backlogs: Backlogs, *, has_llm: bool, has_listener: bool = False) -> None:
        """
        Args:
            has_listener: it needs the LLM.
        """
        self._backlogs = backlogs
        self._has_llm = has_llm
        self._has_listener = has_listener and has_llm
        self._decoder: Decoder = "fused" if has_llm else "draft"
        self._listening = self._has_listener

    @property
    def fused(self) -> bool:
        """Whether the LLM has a say now."""
        return self._decoder == "fused"

    @property
    def listening(self) -> bool:
        """Whether the second listener has a say now."""
        return self._listening

    def update(self, waiting_samples: int) -> DecoderChanged | None:
        """Choose for the step that begins."""
        backlogs = self._backlogs
        if self._listening and waiting_samples > backlogs.pause_listener:
            # However far behind: the listener alone may be what made the last step late.
            self._listening = False
            return DecoderChanged("fused", "the machine is behind; the second listener is paused")
        if self.fused and waiting_samples > backlogs.pause_llm:
            self._decoder = "draft"
            return DecoderChanged("draft", "the machine is behind; the LLM is paused")
        if waiting_samples > min(backlogs.resume, backlogs.pause_listener, backlogs.pause_llm):
            return None
        if self._has_llm and not self.fused:
            self._decoder = "fused"
            return DecoderChanged("fused", "the machine has caught up")
        if self._has_listener and not self._listening:
            self._listening = True
            return DecoderChanged("fused", "the second listener is back")
        return None
