"""How far one corpus of acted emotions helps with another, and how much depends on the speakers.

A linear head on frozen features: the states of Moonshine tiny's encoder, untouched, so that no
corpus had a part in them. Within a corpus the speakers are split into folds; from one corpus to
another all of it trains and all of it tests. The heads serve this table only; none is shipped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
import torch
import typer
from matplotlib.figure import Figure
from rich.console import Console
from torch import Tensor
from torch.nn import functional

from benchmarks.common import RESULTS, DataOption, OutOption, figure, run, style, write_result
from benchmarks.emotion import OTHER_SETS
from benchmarks.emotion_scores import uar
from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import LABELS
from streamer.models.train.emotion.data import CREMA_D, Clip, load_clips, speaker_folds
from streamer.models.train.emotion.moonshine_init import load_moonshine_encoder
from streamer.models.train.emotion.net import EmotionNetConfig, FrontEnd, SpeechEncoder
from streamer.models.train.emotion.train import find_encoder

CORPORA: Final = {"crema_d": CREMA_D, **OTHER_SETS}
FOLDS: Final = 5
LAYERS: Final = (3, 4)
LONGEST_S: Final = 6.0
_BATCH: Final = 32


@dataclass(frozen=True)
class Corpus:
    """Features [n, D] of n clips, their labels [n] and speakers [n]."""

    features: Tensor
    labels: Tensor
    speakers: npt.NDArray[np.str_]


def extract(clips: Sequence[Clip], front: FrontEnd, encoder: SpeechEncoder) -> Corpus:
    """Mean and deviation over time of the upper layers' states."""
    longest = int(LONGEST_S * SAMPLE_RATE)
    order = sorted(range(len(clips)), key=lambda i: len(clips[i].samples))
    rows: list[Tensor | None] = [None] * len(clips)
    for start in range(0, len(order), _BATCH):
        members = order[start : start + _BATCH]
        # Neighbours in length: cutting all to the shortest loses next to nothing.
        length = min(longest, len(clips[members[0]].samples))
        batch = np.stack([clips[i].samples[:length] for i in members])
        with torch.inference_mode():
            with torch.autocast("cpu", torch.bfloat16):
                states = encoder(encoder.stem(front(torch.from_numpy(batch))))
            chosen = torch.cat([states[layer].float() for layer in LAYERS], dim=-1)
            pooled = torch.cat((chosen.mean(dim=1), chosen.std(dim=1)), dim=-1)
        for index, row in zip(members, pooled, strict=True):
            rows[index] = row
    return Corpus(
        torch.stack([row for row in rows if row is not None]),
        torch.tensor([clip.label for clip in clips]),
        np.array([clip.speaker for clip in clips]),
    )


def fit(features: Tensor, labels: Tensor, decay: float = 0.01) -> tuple[Tensor, Tensor]:
    """Multinomial logistic regression, classes weighed alike. Gives weight [D, C] and bias [C]."""
    weight = torch.zeros(features.shape[1], len(LABELS), requires_grad=True)
    bias = torch.zeros(len(LABELS), requires_grad=True)
    counts = torch.bincount(labels, minlength=len(LABELS)).clamp(min=1)
    balance = len(labels) / (len(LABELS) * counts)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = functional.cross_entropy(features @ weight + bias, labels, weight=balance)
        loss = loss + decay * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()


def carry_over(train: Corpus, test: Corpus) -> float:
    """UAR on `test` of a head that met `train` only."""
    mean, deviation = train.features.mean(dim=0), train.features.std(dim=0) + 1e-5
    weight, bias = fit((train.features - mean) / deviation, train.labels)
    predicted = (((test.features - mean) / deviation) @ weight + bias).argmax(dim=1)
    # A class that training never saw cannot be told.
    seen = torch.isin(test.labels, train.labels)
    return uar(test.labels[seen].numpy(), predicted[seen].numpy())


def part(corpus: Corpus, chosen: npt.NDArray[np.bool_]) -> Corpus:
    mask = torch.from_numpy(chosen)
    return Corpus(corpus.features[mask], corpus.labels[mask], corpus.speakers[chosen])


def folds(corpus: Corpus, count: int = FOLDS, seed: int = 0) -> list[float]:
    """UAR of each fold; no speaker is in both halves."""
    found = []
    for held_out in speaker_folds(corpus.speakers.tolist(), count, seed):
        inside = np.isin(corpus.speakers, held_out)
        found.append(carry_over(part(corpus, ~inside), part(corpus, inside)))
    return found


def picture(matrix: dict[str, dict[str, float]]) -> Figure:
    names = list(matrix)
    values = np.array([[matrix[one][other] for other in names] for one in names])
    drawn = figure(4.8, 4.2)
    axes = drawn.subplots()
    axes.imshow(values, cmap="Blues", vmin=1 / len(LABELS), vmax=1)
    for i, j in np.ndindex(values.shape):
        axes.text(j, i, f"{values[i, j]:.2f}", ha="center", va="center")
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    style(axes, "UAR of a linear head on frozen features", "tested on", "trained on")
    axes.grid(visible=False)
    return drawn


def main(
    data: DataOption = Path("../shared/data"),
    out: OutOption = RESULTS,
    encoder: Annotated[
        Path | None, typer.Option(help="encoder_model.ort; else the wheel's.")
    ] = None,
) -> None:
    torch.set_num_threads(1)
    config = EmotionNetConfig()
    network = SpeechEncoder(config).eval()
    network.load_state_dict(load_moonshine_encoder(encoder or find_encoder(), config.n_layers))
    front = FrontEnd(config)
    corpora = {
        name: extract(load_clips(data / folder), front, network)
        for name, folder in CORPORA.items()
        if (data / folder).is_dir()
    }
    by_fold = {name: folds(corpus) for name, corpus in corpora.items()}
    matrix = {
        one: {
            other: round(
                float(np.mean(by_fold[one])) if one == other else carry_over(corpora[one], test), 4
            )
            for other, test in corpora.items()
        }
        for one in corpora
    }
    results: dict[str, Any] = {
        "trained_on_then_tested_on": matrix,
        "folds": {name: [round(value, 4) for value in by_fold[name]] for name in by_fold},
        "clips": {name: len(corpus.labels) for name, corpus in corpora.items()},
    }
    Console().print_json(json.dumps(results))
    write_result("emotion_cross", out, {"layers": LAYERS, "folds": FOLDS}, results, picture(matrix))


app = run(main)

if __name__ == "__main__":
    app()
