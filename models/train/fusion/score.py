"""What is trained: fusion layer and LLM together give candidates their fused scores.

score(y) = log P_asr(y | audio) + w_llm * log P_llm(y | context, soft tokens) + w_word * words(y)
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from streamer.models.train.fusion.data import Decision, Halves
from streamer.models.train.fusion.layer import FusionLayer
from streamer.models.train.fusion.llm import Tree, TunedGemma, tree_of
from streamer.models.train.fusion.modalities import TEXT, Features, FusionLayerConfig, SoftTokens

NEWLINE: Final = "\n"
ASKING_TOKENS: Final = 12
"""The newest of the context, that ask where the strategy is cross-attention."""


@dataclass(frozen=True)
class Inputs:
    """What the model is given of a decision."""

    audio: bool = False
    emotion: bool = False
    label: bool = False
    """The emotion as a stage direction in the text: `(sad)`."""
    context_tokens: int = 32
    max_frames: int = 416
    """The newest frames of the audio, 10 s of it."""


class FusedScorer(nn.Module):
    """Everything that has trained parameters, around the LLM."""

    def __init__(
        self, llm: TunedGemma, layer: FusionLayerConfig | None, w_llm: float, attention_bias: float
    ) -> None:
        super().__init__()
        self.llm = llm
        self.layer: FusionLayer | None = None
        if layer is not None:
            sized = replace(layer, token_width=llm.width, token_rms=llm.embedded_rms)
            self.layer = FusionLayer(sized)
        self.w_llm = nn.Parameter(torch.tensor(w_llm))
        self.w_word = nn.Parameter(torch.tensor(0.0))
        self.sharpness = nn.Parameter(torch.tensor(0.0))
        """Logarithm; of the listwise loss, it changes no choice."""
        self.attention_bias = nn.Parameter(torch.tensor(attention_bias))

    def forward(self, decisions: Sequence[Decision], inputs: Inputs) -> list[Tensor]:
        """Log-probability of each option of each decision by the LLM, nats."""
        trees = [self._tree(decision, inputs) for decision in decisions]
        soft = self._soft(decisions, trees, inputs)
        found: list[Tensor] = self.llm(
            trees, soft, self.attention_bias if soft is not None else None
        )
        return found

    def fused(self, decision: Decision, llm: Tensor) -> Tensor:
        """Fused scores of the options."""
        acoustic = torch.tensor([option.logprob for option in decision.options])
        words = torch.tensor([float(len(option.text.split())) for option in decision.options])
        return acoustic + self.w_llm * llm + self.w_word * words

    def soft_tokens(self, decisions: Sequence[Decision], inputs: Inputs) -> SoftTokens | None:
        """The soft tokens alone, with the weights of the modalities."""
        return self._soft(decisions, [self._tree(d, inputs) for d in decisions], inputs)

    def _tree(self, decision: Decision, inputs: Inputs) -> Tree:
        text = decision.context
        if inputs.label and decision.label:
            text += f" ({decision.label})"
        context = self.llm.tokens(text)[-inputs.context_tokens :]
        if not context:
            # A soft token must not be what predicts, and the first place is the start token's.
            context = self.llm.tokens(NEWLINE) if inputs.audio or inputs.emotion else []
        rows = [self.llm.tokens(f" {o.text}" if o.text else "") for o in decision.options]
        return tree_of([self.llm.bos, *context], rows)

    def _soft(
        self, decisions: Sequence[Decision], trees: Sequence[Tree], inputs: Inputs
    ) -> SoftTokens | None:
        if self.layer is None or not (inputs.audio or inputs.emotion):
            return None
        given: dict[str, Features] = {}
        if inputs.audio:
            given["audio"] = padded([d.audio[-inputs.max_frames :] for d in decisions])
        if inputs.emotion:
            given["emotion"] = padded([d.emotion for d in decisions])
        if TEXT in self.layer.encoders:
            given[TEXT] = self._asking(trees)
        soft: SoftTokens = self.layer(given)
        return soft

    def _asking(self, trees: Sequence[Tree]) -> Features:
        """The newest words of the contexts, embedded."""
        ids = torch.zeros(len(trees), ASKING_TOKENS, dtype=torch.long)
        mask = torch.zeros(len(trees), ASKING_TOKENS, dtype=torch.bool)
        for row, tree in enumerate(trees):
            newest = tree.context[-ASKING_TOKENS:]
            ids[row, : len(newest)] = torch.tensor(newest)
            mask[row, : len(newest)] = True
        return Features(self.llm.embedded(ids).float(), mask)


def padded(rows: Sequence[Halves]) -> Features:
    """Rows `[T, d]` of several lengths side by side."""
    longest = max(1, *(len(row) for row in rows))
    values = np.zeros((len(rows), longest, rows[0].shape[1]), np.float32)
    mask = np.zeros((len(rows), longest), np.bool_)
    for index, row in enumerate(rows):
        values[index, : len(row)] = row
        mask[index, : len(row)] = True
    return Features(torch.from_numpy(values), torch.from_numpy(mask))


def listwise_loss(scores: Tensor, decision: Decision) -> Tensor:
    """Minus the log of what the options with the fewest errors get of a softmax of the scores."""
    errors = torch.tensor([option.errors for option in decision.options])
    right = errors == errors.min()
    return scores.logsumexp(dim=0) - scores[right].logsumexp(dim=0)


def fewer_options(decision: Decision, count: int, rng: random.Random) -> Decision:
    """With `count` options at most, always one of the right and one of the wrong ones."""
    if len(decision.options) <= count:
        return decision
    least = min(option.errors for option in decision.options)
    right = [option for option in decision.options if option.errors == least]
    wrong = [option for option in decision.options if option.errors > least]
    kept = [max(right, key=lambda o: o.logprob)]
    kept += sorted(wrong, key=lambda o: -o.logprob)[:1]
    rest = [option for option in decision.options if option not in kept]
    kept += rng.sample(rest, count - len(kept))
    return replace(decision, options=tuple(kept))


def swapped(
    decisions: Sequence[Decision], seed: int, *, audio: bool = False, emotion: bool = False
) -> list[Decision]:
    """Each decision with the sound or the emotion of another one: a control."""
    order = list(range(len(decisions)))
    random.Random(seed).shuffle(order)
    return [
        replace(
            decision,
            audio=decisions[other].audio if audio else decision.audio,
            emotion=decisions[other].emotion if emotion else decision.emotion,
        )
        for decision, other in zip(decisions, order, strict=True)
    ]
