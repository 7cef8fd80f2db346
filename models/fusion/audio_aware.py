"""The fused decision of an LLM that gets more than text: soft tokens of sound and emotion, and the
emotion as a word in its context. It takes a trained fusion: see `models/fusion/trained`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from streamer.audio.arrays import Floats
from streamer.models.fusion.score import Candidate, FusionWeights, LlmFusion, Terms
from streamer.models.fusion.soft_tokens import SoftTokenLayer
from streamer.models.llm.contract import TextScorer


@dataclass(frozen=True)
class AudioInputs:
    """What the LLM gets beside the text."""

    modalities: tuple[str, ...] = ()
    """Those that become soft tokens: `audio`, `emotion`."""
    layer: SoftTokenLayer | None = None
    """What makes soft tokens of them."""
    emotion_label: bool = False
    """The emotion in the voice as a stage direction in the context: `(sad)`."""


class AudioAwareFusion(LlmFusion):
    """One session's; holds the newest features beside the context."""

    def __init__(
        self, scorer: TextScorer, weights: FusionWeights, prompt: str, inputs: AudioInputs
    ) -> None:
        self._inputs = inputs
        super().__init__(scorer, weights, self._full(prompt))
        self._features: dict[str, Floats] = {}
        self._label = ""

    def terms(self, candidates: Sequence[Candidate]) -> list[Terms]:
        """See `Fusion`; with the shares of the modalities in the soft tokens."""
        layer = self._inputs.layer
        soft = layer.fuse(self._features) if layer is not None else None
        if soft is None:
            return super().terms(candidates)
        terms = self._weighted(candidates, soft.prompt)
        return [replace(each, shares=soft.shares) for each in terms]

    def expect(self, prompt: str) -> None:
        """See `Fusion`."""
        super().expect(self._full(prompt))
        self._label = ""

    def _full(self, prompt: str) -> str:
        """Soft tokens stand before the last token of the context; that must not be the first."""
        return prompt or ("\n" if self._inputs.layer is not None else "")

    def set_features(self, modality: str, features: Floats) -> None:
        """Features `[T, d]` of the newest audio, from here on. Ignored if it is no modality that
        the layer was trained on."""
        if modality in self._inputs.modalities:
            self._features[modality] = features

    def set_emotion(self, label: str) -> None:
        """The emotion in the voice, from here on."""
        if self._inputs.emotion_label and label != self._label:
            self._scorer.extend(self._context, f" ({label})")
            self._label = label
