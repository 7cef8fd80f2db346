from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.models.train.fusion.layer import FusionLayer
from streamer.models.train.fusion.modalities import (
    TEXT,
    Features,
    FusionLayerConfig,
    Modality,
    SoftTokens,
    StrategyName,
)
from streamer.models.train.fusion.strategies import STRATEGIES

AUDIO = Modality("audio", 6, frames_per_token=4)
EMOTION = Modality("emotion", 5)
VIDEO = Modality("video", 3, frames_per_token=2)
WORDS = Modality(TEXT, 8)
PARALLEL = (("audio", "emotion"),)
SERIAL = (("audio",), ("emotion",))
N_FRAMES = {"audio": 11, "emotion": 7, "video": 9, TEXT: 3}

names = st.sampled_from(list(STRATEGIES))
arrangements = st.sampled_from([PARALLEL, SERIAL])


def layer(
    strategy: StrategyName,
    stages: tuple[tuple[str, ...], ...] = PARALLEL,
    modalities: tuple[Modality, ...] = (AUDIO, EMOTION, WORDS),
) -> FusionLayer:
    torch.manual_seed(3)
    config = FusionLayerConfig(modalities, strategy, stages, width=12, token_width=8)
    fresh = FusionLayer(config).eval()
    for parameter in fresh.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return fresh


def heard(rows: int = 2, seed: int = 0) -> dict[str, Features]:
    torch.manual_seed(seed)
    widths = {m.name: m.width for m in (AUDIO, EMOTION, VIDEO, WORDS)}
    found = {}
    for name, frames in N_FRAMES.items():
        mask = torch.ones(rows, frames, dtype=torch.bool)
        mask[-1, frames - 2 :] = False
        found[name] = Features(torch.randn(rows, frames, widths[name]), mask)
    return found


def only(features: Mapping[str, Features], *kept: str) -> dict[str, Features]:
    return {name: features[name] for name in kept}


def masked(features: Features) -> Features:
    return Features(features.values, torch.zeros_like(features.mask))


def same(a: SoftTokens, b: SoftTokens) -> bool:
    """Whether the tokens that count, and what they are made of, are the same."""
    steps = min(a.mask.shape[1], b.mask.shape[1])
    if bool(a.mask[:, steps:].any()) or bool(b.mask[:, steps:].any()):
        return False
    counts = a.mask[:, :steps]
    pairs = ((a.tokens, b.tokens), (a.weights, b.weights))
    return torch.equal(counts, b.mask[:, :steps]) and all(
        torch.allclose(x[:, :steps][counts], y[:, :steps][counts], atol=1e-5) for x, y in pairs
    )


@given(names, arrangements, st.sampled_from(["audio", "emotion"]))
@settings(deadline=None)
def test_a_masked_modality_is_as_one_never_had(
    strategy: StrategyName, stages: tuple[tuple[str, ...], ...], missing: str
) -> None:
    fusion, features = layer(strategy, stages), only(heard(), "audio", "emotion", TEXT)
    without = {name: value for name, value in features.items() if name != missing}
    blanked = features | {missing: masked(features[missing])}
    assert same(fusion(blanked), fusion(without))
    assert not same(fusion(blanked), fusion(features))


@given(names, arrangements)
@settings(deadline=None)
def test_what_a_masked_frame_holds_changes_nothing(
    strategy: StrategyName, stages: tuple[tuple[str, ...], ...]
) -> None:
    fusion, features = layer(strategy, stages), only(heard(), "audio", "emotion", TEXT)
    other = {
        name: Features(torch.where(f.mask.unsqueeze(2), f.values, torch.tensor(7.0)), f.mask)
        for name, f in features.items()
    }
    assert same(fusion(features), fusion(other))


@given(names, arrangements)
@settings(deadline=None)
def test_weights_sum_to_one_where_a_token_counts_and_missing_ones_get_none(
    strategy: StrategyName, stages: tuple[tuple[str, ...], ...]
) -> None:
    fusion, features = layer(strategy, stages), only(heard(), "audio", "emotion", TEXT)
    soft = fusion(features)
    assert soft.mask.any()
    assert torch.allclose(soft.weights[soft.mask].sum(dim=1), torch.tensor(1.0), atol=1e-5)
    assert (soft.weights[soft.mask] > 0).all()
    deaf = fusion(features | {"emotion": masked(features["emotion"])})
    assert torch.allclose(deaf.weights[deaf.mask], torch.tensor([1.0, 0.0]), atol=1e-5)


@given(names, arrangements, st.permutations(["audio", "emotion", TEXT]))
@settings(deadline=None)
def test_the_order_of_the_mapping_does_not_matter(
    strategy: StrategyName, stages: tuple[tuple[str, ...], ...], order: list[str]
) -> None:
    fusion = layer(strategy, stages)
    assert same(fusion(only(heard(), *order)), fusion(only(heard(), "audio", "emotion", TEXT)))


@given(names)
@settings(deadline=None)
def test_a_row_does_not_depend_on_its_neighbours(strategy: StrategyName) -> None:
    fusion, features = layer(strategy), only(heard(), "audio", "emotion", TEXT)
    second = {name: Features(f.values[1:], f.mask[1:]) for name, f in features.items()}
    together = fusion(features)
    alone = SoftTokens(together.tokens[1:], together.mask[1:], together.weights[1:])
    assert same(alone, fusion(second))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("stages", [(("audio", "emotion", "video"),), (*SERIAL, ("video",))])
def test_a_third_modality_is_a_further_entry(
    strategy: StrategyName, stages: tuple[tuple[str, ...], ...]
) -> None:
    fusion = layer(strategy, stages, (AUDIO, EMOTION, VIDEO, WORDS))
    features = heard()
    soft = fusion(features)
    assert soft.weights.shape[2] == 3
    assert fusion.names == ("audio", "emotion", "video")
    assert not same(soft, fusion(features | {"video": masked(features["video"])}))


def test_eight_frames_become_one_token_and_a_hybrid_takes_text_last() -> None:
    stages = (("audio", "emotion"), (TEXT,))
    soft = layer("attention", stages)(only(heard(), "audio", "emotion", TEXT))
    assert soft.mask.tolist() == [[True, True, True], [True, True, True]]
    assert soft.weights.shape == (2, 3, 3)


def test_emotion_without_audio_is_a_single_token_and_silence_none() -> None:
    fusion, features = layer("weighted"), only(heard(), "audio", "emotion")
    features["audio"] = masked(features["audio"])
    assert fusion(features).mask.sum(dim=1).tolist() == [1, 1]
    features["emotion"] = masked(features["emotion"])
    nothing = fusion(features)
    assert not nothing.mask.any()
    assert nothing.tokens.isfinite().all()


def test_cross_attention_gives_a_token_for_each_word_that_asks() -> None:
    features = only(heard(), "audio", "emotion", TEXT)
    assert layer("cross_attention")(features).mask.sum(dim=1).tolist() == [3, 1]


def test_training_masks_modalities_but_never_all() -> None:
    fusion = layer("weighted")
    fusion.config = dataclasses.replace(fusion.config, modality_dropout=0.5)
    fusion.train()
    features = only(heard(20), "audio", "emotion")
    shares = fusion(features).weights[:, 0]
    assert torch.allclose(shares.sum(dim=1), torch.tensor(1.0))
    assert (shares == 0).any(dim=0).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_parameter_learns(strategy: StrategyName) -> None:
    fusion = layer(strategy, SERIAL)
    soft = fusion(only(heard(), "audio", "emotion", TEXT))
    (soft.tokens * torch.randn(soft.tokens.shape)).sum().backward()
    still = {name for name, p in fusion.named_parameters() if p.grad is None}
    assert still <= {name for name in still if "missing" in name or ".logits" in name}


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="once at most"):
        FusionLayerConfig(stages=(("audio", "smell"),))
    with pytest.raises(ValueError, match="must name a modality"):
        FusionLayerConfig(stages=(("audio",), ()))
    with pytest.raises(ValueError, match="asks with"):
        FusionLayerConfig(strategy="cross_attention")
    with pytest.raises(ValueError, match="smell"):
        layer("weighted")({"smell": heard()["audio"]})
