"""Which decoder commits words: under load the LLM is the first to go."""

from __future__ import annotations

from streamer.recognition.contract import Decoder
from streamer.transcript.events import DecoderChanged


class DecoderChoice:
    """One session's: fused where there is an LLM, draft while the machine is behind."""

    def __init__(self, *, has_llm: bool, pause_above: int, resume_below: int) -> None:
        """
        Args:
            pause_above: with more samples than this waiting, the LLM is left out.
            resume_below: with no more samples than this waiting, it comes back.
        """
        self._has_llm = has_llm
        self._pause_above = pause_above
        self._resume_below = resume_below
        self._decoder: Decoder = "fused" if has_llm else "draft"

    @property
    def fused(self) -> bool:
        """Whether the LLM has a say now."""
        return self._decoder == "fused"

    def update(self, waiting_samples: int) -> DecoderChanged | None:
        """Choose for the step that begins."""
        late = waiting_samples > self._pause_above
        if late and self.fused:
            self._decoder = "draft"
            return DecoderChanged("draft", "the machine is behind; the LLM is paused")
        if self._has_llm and not late and not self.fused and waiting_samples <= self._resume_below:
            self._decoder = "fused"
            return DecoderChanged("fused", "the machine has caught up")
        return None
