"""What each part of the fused decision is worth, on decisions of speakers that nothing was trained
or chosen on.

    python -m streamer.models.train.fusion.ablation --decisions ../decisions \\
        --data ../shared/data --out ablation.json text=runs/text audio=runs/audio

Two measures: the word errors that the choices at the streaming decoder's questions make beyond
the best choices, and the word error rate of the choice among whole-recording hypotheses. Each
run is also judged with its sound or its emotion taken from other questions, and with either left
out. Intervals are of a bootstrap over recordings, paired.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from streamer.models.fusion.score import FusionWeights
from streamer.models.train.fusion.config import FusionTrainConfig
from streamer.models.train.fusion.data import Decision, Role
from streamer.models.train.fusion.llm import TunedGemma, packaged_gemma
from streamer.models.train.fusion.score import FusedScorer, Inputs, swapped
from streamer.models.train.fusion.train import LLM_FOLDER, fused_scores, load_role

_LOG = logging.getLogger(__name__)
_NOT_THERE: Final = -1e6
Chooser = Callable[[Sequence[Decision]], Sequence[Tensor]]
"""Fused scores of each decision's options."""
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Judged:
    """Counts for each recording."""

    excess: Counts
    """At the streaming decoder's questions: errors chosen less those of the best options."""
    errors: Counts
    """Of the choice among whole-recording hypotheses."""


def judge(recordings: Sequence[Sequence[Decision]], choose: Chooser) -> Judged:
    """Let `choose` answer all questions whose answer makes a difference."""
    places = [
        (row, decision)
        for row, decisions in enumerate(recordings)
        for decision in decisions
        if decision.tells
    ]
    excess = np.zeros(len(recordings), np.int64)
    errors = np.zeros(len(recordings), np.int64)
    for row, decisions in enumerate(recordings):
        errors[row] += sum(
            d.options[0].errors for d in decisions if d.kind == "clip" and not d.tells
        )
    scored = choose([decision for _, decision in places])
    for (row, decision), scores in zip(places, scored, strict=True):
        chosen = decision.options[int(scores.argmax())].errors
        if decision.kind == "clip":
            errors[row] += chosen
        else:
            excess[row] += chosen - min(option.errors for option in decision.options)
    return Judged(excess, errors)


def by_weights(w_llm: float, w_word: float = 0.0) -> Chooser:
    """The LLM as it ships, with these weights; 0, 0 is the draft's own choice."""

    def choose(decisions: Sequence[Decision]) -> list[Tensor]:
        return [_linear(d, torch.tensor(w_llm), torch.tensor(w_word)) for d in decisions]

    return choose


def best_choice(decisions: Sequence[Decision]) -> list[Tensor]:
    """What knows the reference."""
    return [-torch.tensor([float(option.errors) for option in d.options]) for d in decisions]


def fitted_weights(decisions: Sequence[Decision]) -> tuple[float, float]:
    """Weights of the LLM as it ships that make the right options of `decisions` most likely."""
    n_options = max(len(d.options) for d in decisions)
    # Options that a decision does not have get nothing of the softmax.
    terms = torch.zeros(3, len(decisions), n_options)
    terms[0] = _NOT_THERE
    right = torch.zeros(len(decisions), n_options, dtype=torch.bool)
    for row, d in enumerate(decisions):
        least = min(option.errors for option in d.options)
        for column, option in enumerate(d.options):
            known = (option.logprob, option.llm, float(len(option.text.split())))
            terms[:, row, column] = torch.tensor(known)
            right[row, column] = option.errors == least
    weights = torch.tensor([FusionWeights.llm, 0.0, 0.0], requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], lr=0.2, max_iter=100)

    def closure() -> Tensor:
        optimizer.zero_grad()
        scores = terms[0] + weights[0] * terms[1] + weights[1] * terms[2]
        scores = scores * weights[2].exp()
        chosen = scores.masked_fill(~right, _NOT_THERE).logsumexp(dim=1)
        loss = (scores.logsumexp(dim=1) - chosen).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    w_llm, w_word, _ = weights.tolist()
    return w_llm, w_word


def load_trained(run: Path, llm: Path) -> tuple[FusedScorer, FusionTrainConfig]:
    """A run's best parameters around the LLM."""
    saved = torch.load(run / "fusion_best.pt", weights_only=False)
    config: FusionTrainConfig = saved["config"]
    model = FusedScorer(
        TunedGemma(llm, config.lora), config.layer, config.w_llm, config.attention_bias
    )
    model.load_state_dict(saved["state"], strict=False)
    return model.eval(), config


def trained(model: FusedScorer, inputs: Inputs) -> Chooser:
    """A trained model, with these of its inputs."""
    return lambda decisions: fused_scores(model, decisions, inputs)


def controlled(choose: Chooser, *, audio: bool = False, emotion: bool = False) -> Chooser:
    """With the sound or the emotion of other questions."""
    return lambda decisions: choose(swapped(decisions, 0, audio=audio, emotion=emotion))


def modality_shares(
    model: FusedScorer, inputs: Inputs, decisions: Sequence[Decision], batch_size: int = 16
) -> dict[str, float]:
    """How much each modality has in the soft tokens of these decisions, on average; they sum to
    1. Empty for a run that only reads."""
    if model.layer is None:
        return {}
    sums = torch.zeros(len(model.layer.names))
    with torch.inference_mode():
        for at in range(0, len(decisions), batch_size):
            soft = model.soft_tokens(decisions[at : at + batch_size], inputs)
            if soft is not None:
                sums += soft.weights[soft.mask].sum(dim=0)
    shares = sums / sums.sum().clamp(min=1e-9)
    return dict(zip(model.layer.names, shares.tolist(), strict=True))


def variants_of(name: str, model: FusedScorer, config: FusionTrainConfig) -> dict[str, Chooser]:
    """A run and its controls."""
    inputs = config.inputs
    found = {name: trained(model, inputs)}
    for part in ("audio", "emotion"):
        if getattr(inputs, part):
            found[f"{name}, {part} of others"] = controlled(found[name], **{part: True})
            without = replace(inputs, **{part: False})
            found[f"{name}, without {part}"] = trained(model, without)
    return found


def interval(differences: npt.NDArray[np.float64], words: Counts, seed: int = 0) -> list[float]:
    """95 % of the sums of `differences` over the sums of `words`, in percent, when recordings are
    drawn again."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(words), (2000, len(words)))
    rates = 100 * differences[drawn].sum(axis=1) / np.maximum(1, words[drawn].sum(axis=1))
    return [round(float(p), 3) for p in np.percentile(rates, (2.5, 97.5))]


def compare(found: Mapping[str, Judged], words: Counts, against: str) -> list[dict[str, Any]]:
    """A row for each variant; the differences are to `against`, in errors per 100 words."""
    base, total = found[against], max(1, int(words.sum()))
    rows = []
    for name, judged in found.items():
        row: dict[str, Any] = {"variant": name}
        for measure in ("excess", "errors"):
            counts = getattr(judged, measure)
            difference = counts - getattr(base, measure)
            row[f"{measure}_percent"] = round(100 * int(counts.sum()) / total, 3)
            row[f"{measure}_difference"] = round(100 * int(difference.sum()) / total, 3)
            row[f"{measure}_interval"] = interval(difference.astype(np.float64), words)
        rows.append(row)
    return rows


def load_judged(
    cache: Path, data: Path, role: Role = "judge", sets: str = "*", count: int = 0
) -> tuple[list[list[Decision]], Counts]:
    """The recordings of a role, and the reference's words of each; with `count`, so many drawn at
    random."""
    words: dict[str, int] = {}
    recordings: list[list[Decision]] = []
    counts: list[int] = []
    for manifest in sorted(data.glob(f"asr/{sets}/manifest.jsonl")):
        for line in manifest.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            clip = str(row.get("id", Path(row["path"]).stem))
            words[f"{row['speaker']}-{clip}"] = len(row["text"].split())
    found = load_role(cache, role, sets)
    if count:
        found = random.Random(0).sample(found, min(count, len(found)))
    for path, decisions in found:
        recordings.append(decisions)
        counts.append(words[path.stem])
    return recordings, np.array(counts, np.int64)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Judge trained fusions.")
    parser.add_argument("--decisions", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--llm", type=Path, default=LLM_FOLDER)
    parser.add_argument("--sets", default="*", help="only these, a pattern")
    parser.add_argument("--recordings", type=int, default=0, help="judge on so many; 0: all")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("runs", nargs="+", help="NAME=FOLDER of streamer.models.train.fusion.train")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    torch.set_num_threads(args.threads)
    recordings, words = load_judged(args.decisions, args.data, "judge", args.sets, args.recordings)
    known = [d for _, ds in load_role(args.decisions, "train", args.sets) for d in ds if d.tells]
    fitted = fitted_weights(known)
    choosers: dict[str, Chooser] = {
        "draft": by_weights(0.0),
        "LLM": by_weights(FusionWeights.llm),
        "LLM, fitted weights": by_weights(*fitted),
        "best of the candidates": best_choice,
    }
    found = {name: judge(recordings, choose) for name, choose in choosers.items()}
    asked = [d for decisions in recordings for d in decisions if d.kind == "stream"]
    shares: dict[str, dict[str, float]] = {}
    for pair in args.runs:
        name, _, folder = pair.partition("=")
        model, config = load_trained(Path(folder), packaged_gemma(args.llm))
        shares[name] = modality_shares(model, config.inputs, asked)
        for variant, choose in variants_of(name, model, config).items():
            found[variant] = judge(recordings, choose)
            _LOG.info("%s: %d", variant, int(found[variant].errors.sum()))
    against_llm = compare(found, words, "LLM")
    results = {
        "recordings": len(recordings),
        "words": int(words.sum()),
        "fitted_weights": fitted,
        "modality_shares": shares,
        "against_llm": against_llm,
        "against_draft": compare(found, words, "draft"),
    }
    args.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    for row in against_llm:
        _LOG.info("%s", row)


def _linear(decision: Decision, w_llm: Tensor, w_word: Tensor) -> Tensor:
    acoustic = torch.tensor([option.logprob for option in decision.options])
    llm = torch.tensor([option.llm for option in decision.options])
    words = torch.tensor([float(len(option.text.split())) for option in decision.options])
    return acoustic + w_llm * llm + w_word * words


if __name__ == "__main__":
    main()
