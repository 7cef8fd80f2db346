from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.models.fusion.audio_aware import AudioAwareFusion, AudioInputs
from streamer.models.fusion.score import Candidate, FusionWeights
from streamer.models.fusion.soft_tokens import SoftTokens
from streamer.models.llm.contract import LlmContext, LlmRequest, SoftPrompt

CANDIDATES = [Candidate("a", -1.0), Candidate("b b", -2.0)]


class KeepingScorer:
    """Finds every text equally likely; keeps the soft prompts that it was given."""

    def __init__(self) -> None:
        self.prompts: list[SoftPrompt | None] = []

    def context(self, text: str = "") -> LlmContext:
        return LlmContext([], [text])

    def extend(self, context: LlmContext, text: str) -> None:
        context.cache.append(text)

    def score(self, requests: Sequence[LlmRequest]) -> list[list[float]]:
        self.prompts += [request.soft_prompt for request in requests]
        return [[-1.0] * len(request.texts) for request in requests]


class Summing:
    """A layer whose one soft token is the sum of all that there is."""

    def fuse(self, features: dict[str, Floats]) -> SoftTokens | None:
        if not features:
            return None
        total = sum(values.sum() for values in features.values())
        shares = dict.fromkeys(features, 1 / len(features))
        return SoftTokens(SoftPrompt(np.full((1, 2), total, np.float32)), shares)


def fusion(
    modalities: tuple[str, ...] = (), layer: Summing | None = None, *, emotion_label: bool = False
) -> tuple[AudioAwareFusion, KeepingScorer]:
    scorer = KeepingScorer()
    inputs = AudioInputs(modalities, layer, emotion_label)  # type: ignore[arg-type]
    return AudioAwareFusion(scorer, FusionWeights(llm=0.5, word=0.25), "", inputs), scorer


@pytest.mark.parametrize("wanted", [True, False])
def test_a_change_of_emotion_is_a_stage_direction_if_it_is_wanted(wanted: bool) -> None:
    made, _ = fusion(emotion_label=wanted)
    for emotion, said in (("sad", "one"), ("sad", "two"), ("happy", "three")):
        made.set_emotion(emotion)
        made.append(said)
    directions = [" (sad)", " one", " two", " (happy)", " three"]
    assert made._context.cache[1:] == [text for text in directions if wanted or "(" not in text]


def test_soft_tokens_are_made_of_the_newest_features_and_shares_are_told() -> None:
    made, scorer = fusion(("audio", "emotion"), Summing())
    for value in (1.0, 2.0):
        made.set_features("audio", np.full((2, 1), value, np.float32))
        made.set_features("emotion", np.full((1, 1), 10.0, np.float32))
        first, second = made.terms(CANDIDATES)
        assert first.shares == second.shares == {"audio": 0.5, "emotion": 0.5}
    assert [prompt.rows[0, 0] for prompt in scorer.prompts if prompt is not None] == [12.0, 14.0]
    # What the soft tokens change is what the LLM says; the sum is that of any fusion.
    assert (first.total, second.total) == (-1.0 - 0.5 + 0.25, -2.0 - 0.5 + 0.5)


def test_without_features_or_a_layer_it_only_reads() -> None:
    for layer in (None, Summing()):
        made, scorer = fusion(("audio",), layer)
        made.set_features("emotion", np.ones((1, 1), np.float32))  # no modality of this one
        assert [terms.shares for terms in made.terms(CANDIDATES)] == [{}, {}]
        assert scorer.prompts == [None]
