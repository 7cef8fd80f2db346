"""Trains the fusion of the LLM decoder: low-rank updates of the LLM, and soft tokens.

    python -m benchmarks.research.fused_decisions --data ../shared/data --cache ../decisions
    python -m streamer.models.train.fusion.train --decisions ../decisions --modalities audio,emotion

Learns to choose, among the candidates of the streaming decoder, one with the fewest word errors:
listwise cross-entropy of the fused scores, and a little of the right candidate's likelihood.
Speakers of train, dev and judge are apart: dev speakers choose the epoch, judged ones meet only
`streamer.models.train.fusion.ablation`.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from streamer.models.train.fusion.config import FusionTrainConfig, layer_config
from streamer.models.train.fusion.data import Decision, Role, load_decisions, role_of
from streamer.models.train.fusion.export import export_fusion
from streamer.models.train.fusion.llm import LoraConfig, TunedGemma, packaged_gemma
from streamer.models.train.fusion.score import FusedScorer, Inputs, fewer_options, listwise_loss

LLM_FOLDER: Final = Path("runs/gemma")
_LOG = logging.getLogger(__name__)


def load_role(cache: Path, role: Role, sets: str = "*") -> list[tuple[Path, list[Decision]]]:
    """The decisions of each recording of a role."""
    return [
        (path, load_decisions(path))
        for path in sorted(cache.glob(f"{sets}/*.npz"))
        if role_of(path.parent.name, path.name.split("-")[0]) == role
    ]


class Trainer:
    """Batches, steps, dev losses, checkpoints."""

    def __init__(
        self,
        config: FusionTrainConfig,
        llm: Path,
        train: Sequence[Decision],
        dev: Sequence[Decision],
        work: Path,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self._train, self._dev = train, dev
        self._rng = random.Random(config.seed)
        self.model = FusedScorer(
            TunedGemma(llm, config.lora), config.layer, config.w_llm, config.attention_bias
        )
        self._steps = max(1, len(train) // config.batch_size)
        self._optimizer = torch.optim.AdamW(self._groups())
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, self._rate)
        self._checkpoint = work / "fusion.ckpt"
        self.epoch, self.looks, self.best_look = 0, 0, 0
        self.best_loss, self.best_state = math.inf, self._state()

    def resume(self) -> bool:
        """Goes on from the checkpoint, if there is one."""
        if not self._checkpoint.is_file():
            return False
        saved = torch.load(self._checkpoint, weights_only=False)
        self.restore(saved["state"])
        self._optimizer.load_state_dict(saved["optimizer"])
        self._schedule.load_state_dict(saved["schedule"])
        self.epoch, self.looks = saved["epoch"], saved["looks"]
        self.best_look, self.best_loss = saved["best_look"], saved["best_loss"]
        self.best_state, self._rng = saved["best_state"], saved["rng"]
        torch.set_rng_state(saved["torch_rng"])
        return True

    def restore(self, state: dict[str, Tensor]) -> None:
        """Takes over trained parameters; the LLM's own are not among them."""
        self.model.load_state_dict(state, strict=False)

    def run(self, writer: SummaryWriter, clock: Callable[[], float]) -> None:
        """Trains until the epochs, the patience or the time are used up; then the best
        parameters stand."""
        until_s = clock() + 60 * self.config.max_minutes
        if self.looks == 0:
            self._look(writer)
        while self.epoch < self.config.epochs and not self._tired():
            every = max(1, self._steps // self.config.evaluations)
            began = clock()
            for step, batch in enumerate(self._batches(), start=1):
                loss = self._step(batch)
                writer.add_scalar("train/loss", loss, self.epoch * self._steps + step)
                if step % 25 == 0:
                    _LOG.info("step %d loss %.3f, %.2f s", step, loss, (clock() - began) / step)
                if step % every == 0:
                    self._look(writer)
                if self._tired() or clock() > until_s:
                    break
            self.epoch += 1
            self._save()
            if clock() > until_s:
                _LOG.info("time is up")
                self._look(writer)
                break
        self.restore(self.best_state)

    def _step(self, batch: Sequence[Decision]) -> float:
        self.model.train()
        llm = self.model(batch, self.config.inputs)
        losses = []
        for decision, answers in zip(batch, llm, strict=True):
            scores = self.model.fused(decision, answers) * self.model.sharpness.exp()
            losses.append(listwise_loss(scores, decision))
            right = min(range(len(answers)), key=lambda i: decision.options[i].errors)
            n_words = max(1, len(decision.options[right].text.split()))
            losses[-1] = losses[-1] - self.config.lm_loss * answers[right] / n_words
        loss = torch.stack(losses).mean()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._trained(), 1.0)
        self._optimizer.step()
        self._schedule.step()
        return loss.item()

    def _look(self, writer: SummaryWriter) -> None:
        self.looks += 1
        scored = fused_scores(self.model, self._dev, self.config.inputs)
        sharp = self.model.sharpness.exp().item()
        losses = [
            listwise_loss(s * sharp, d).item() for s, d in zip(scored, self._dev, strict=True)
        ]
        loss = sum(losses) / max(1, len(losses))
        more = excess_errors(self._dev, scored)
        if loss < self.best_loss:
            self.best_loss, self.best_look, self.best_state = loss, self.looks, self._state()
        writer.add_scalar("dev/loss", loss, self.looks)
        writer.add_scalar("dev/excess_errors", more, self.looks)
        shown = (self.looks, loss, more, self.model.w_llm.item(), self.model.attention_bias.item())
        _LOG.info("look %d: dev loss %.4f, excess errors %d, w_llm %.3f, bias %.2f", *shown)

    def _tired(self) -> bool:
        return self.looks - self.best_look >= self.config.patience

    def _batches(self) -> Iterator[list[Decision]]:
        """Of like lengths, in random order: less padding."""
        size = self.config.batch_size
        order = list(self._train)
        self._rng.shuffle(order)
        block = 16 * size
        batches = []
        for at in range(0, len(order), block):
            some = sorted(order[at : at + block], key=_length)
            batches += [some[i : i + size] for i in range(0, len(some), size)]
        self._rng.shuffle(batches)
        for batch in batches[: self._steps]:
            yield [fewer_options(d, self.config.max_options, self._rng) for d in batch]

    def _trained(self) -> list[nn.Parameter]:
        return [p for p in self.model.parameters() if p.requires_grad]

    def _groups(self) -> list[dict[str, Any]]:
        c = self.config
        lora: list[nn.Parameter] = []
        layer: list[nn.Parameter] = []
        weights: list[nn.Parameter] = []
        for name, parameter in self.model.named_parameters():
            if not parameter.requires_grad:
                continue
            place = lora if name.startswith("llm.") else layer if "layer." in name else weights
            place.append(parameter)
        return [
            {"params": lora, "lr": c.lora_lr, "weight_decay": c.weight_decay},
            {"params": layer, "lr": c.layer_lr, "weight_decay": c.weight_decay},
            {"params": weights, "lr": c.weights_lr, "weight_decay": 0.0},
        ]

    def _rate(self, step: int) -> float:
        """Linear warm-up, then half a cosine."""
        total = self._steps * self.config.epochs
        warm = max(1, int(total * self.config.warmup_share))
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, total - warm))))

    def _state(self) -> dict[str, Tensor]:
        named = self.model.named_parameters()
        return {name: p.detach().clone() for name, p in named if p.requires_grad}

    def _save(self) -> None:
        torch.save(
            {
                "config": self.config,
                "state": self._state(),
                "optimizer": self._optimizer.state_dict(),
                "schedule": self._schedule.state_dict(),
                "epoch": self.epoch,
                "looks": self.looks,
                "best_look": self.best_look,
                "best_loss": self.best_loss,
                "best_state": copy.deepcopy(self.best_state),
                "rng": self._rng,
                "torch_rng": torch.get_rng_state(),
            },
            self._checkpoint,
        )


def fused_scores(
    model: FusedScorer, decisions: Sequence[Decision], inputs: Inputs, batch_size: int = 16
) -> list[Tensor]:
    """Fused scores of the options of each decision, without gradients."""
    model.eval()
    order = sorted(range(len(decisions)), key=lambda index: _length(decisions[index]))
    found: dict[int, Tensor] = {}
    with torch.inference_mode():
        for at in range(0, len(order), batch_size):
            some = order[at : at + batch_size]
            batch = [decisions[index] for index in some]
            for index, llm in zip(some, model(batch, inputs), strict=True):
                found[index] = model.fused(decisions[index], llm).clone()
    return [found[index] for index in range(len(decisions))]


def excess_errors(decisions: Sequence[Decision], scored: Sequence[Tensor]) -> int:
    """Word errors of what is chosen beyond those of the best options."""
    return sum(
        d.options[int(scores.argmax())].errors - min(o.errors for o in d.options)
        for d, scores in zip(decisions, scored, strict=True)
    )


def _length(decision: Decision) -> int:
    return len(decision.context) + 4 * sum(len(option.text) for option in decision.options)


def telling(
    recordings: Sequence[tuple[Path, Sequence[Decision]]], max_clip_frames: int
) -> list[Decision]:
    """What can be learned from."""
    return [
        decision
        for _, decisions in recordings
        for decision in decisions
        if decision.tells and (decision.kind == "stream" or len(decision.audio) <= max_clip_frames)
    ]


def train(
    config: FusionTrainConfig,
    decisions: Path,
    llm: Path,
    work: Path,
    *,
    resume: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> Trainer:
    """Trains and exports: `work/export` is what `streamer serve --fusion` takes,
    `work/fusion_best.pt` holds the parameters, `work/fusion_train.json` the report.

    Raises:
        ValueError: no decisions of training or dev speakers.
    """
    torch.set_num_threads(config.threads)
    work.mkdir(parents=True, exist_ok=True)
    chosen = telling(load_role(decisions, "train"), config.max_clip_frames)
    dev = telling(load_role(decisions, "dev"), config.max_clip_frames)
    for some in (chosen, dev):
        random.Random(config.seed).shuffle(some)
    if not chosen or not dev:
        raise ValueError(f"no decisions to learn from in {decisions}; record them first")
    chosen, dev = chosen[: config.max_train or len(chosen)], dev[: config.max_dev]
    _LOG.info("%d decisions to train on, %d of dev speakers", len(chosen), len(dev))
    trainer = Trainer(config, llm, chosen, dev, work)
    if resume:
        trainer.resume()
    with SummaryWriter(str(work / "tensorboard")) as writer:
        trainer.run(writer, clock)
    torch.save({"config": config, "state": trainer.best_state}, work / "fusion_best.pt")
    report = {
        "decisions": {"train": len(chosen), "dev": len(dev)},
        "best_look": trainer.best_look,
        "best_dev_loss": trainer.best_loss,
        "config": asdict(config),
    }
    (work / "fusion_train.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    export_fusion(trainer.model, config.inputs, work / "export")
    return trainer


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train the fusion of the LLM decoder.")
    parser.add_argument("--decisions", type=Path, required=True, help="what was recorded")
    parser.add_argument("--llm", type=Path, default=LLM_FOLDER, help="converted there once")
    parser.add_argument("--work", type=Path, default=Path("runs/fusion"))
    parser.add_argument("--modalities", default="", help="of audio,emotion; empty: text alone")
    parser.add_argument("--strategy", default="weighted")
    parser.add_argument(
        "--arrangement", default="parallel", choices=("parallel", "serial", "hybrid")
    )
    parser.add_argument("--label", action="store_true", help="the emotion as a word in the text")
    parser.add_argument("--frozen", action="store_true", help="the LLM without updates")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--epochs", type=int, default=FusionTrainConfig.epochs)
    parser.add_argument("--max-train", type=int, default=FusionTrainConfig.max_train)
    parser.add_argument("--max-dev", type=int, default=FusionTrainConfig.max_dev)
    parser.add_argument("--attention-bias", type=float, default=FusionTrainConfig.attention_bias)
    parser.add_argument("--evaluations", type=int, default=FusionTrainConfig.evaluations)
    parser.add_argument("--seed", type=int, default=FusionTrainConfig.seed)
    parser.add_argument("--threads", type=int, default=FusionTrainConfig.threads)
    parser.add_argument("--max-minutes", type=float, default=FusionTrainConfig.max_minutes)
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    names = [name for name in args.modalities.split(",") if name]
    config = FusionTrainConfig(
        inputs=Inputs("audio" in names, "emotion" in names, args.label),
        layer=layer_config(args.strategy, args.arrangement, names) if names else None,
        lora=LoraConfig(rank=0) if args.frozen else LoraConfig(),
        epochs=args.epochs,
        evaluations=args.evaluations,
        max_train=args.max_train,
        max_dev=args.max_dev,
        attention_bias=args.attention_bias,
        seed=args.seed,
        threads=args.threads,
        max_minutes=args.max_minutes,
    )
    llm = packaged_gemma(args.llm)
    trainer = train(config, args.decisions, llm, args.work, resume=args.resume)
    _LOG.info("best dev loss %.4f", trainer.best_loss)


if __name__ == "__main__":
    main()
