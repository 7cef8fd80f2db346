"""Teaches the draft decoder to stop where the sound is cut off.

    python -m benchmarks.research.draft_windows --data ../shared/data --cache windows
    python -m streamer.models.train.draft.train --work windows

Low-rank updates of the decoder are learned on windows that end anywhere (`windows`); speakers of
one fold are kept out, and choose the update that is kept. `windows/draft.safetensors` is what
`EngineOptions.draft` takes. On one thread: half an hour for the windows, ten minutes for the rest.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from streamer.models.moonshine.tokenizer import EOS
from streamer.models.store.catalog import MOONSHINE
from streamer.models.store.zoo import Zoo
from streamer.models.train.draft.net import TunedDecoder
from streamer.models.train.draft.windows import IGNORED, Window, read_shard

UPDATES: Final = "draft.safetensors"


@dataclass(frozen=True)
class TrainConfig:
    rank: int = 16
    batch: int = 16
    rate: float = 5e-4
    steps: int = 1_000
    warmup: int = 50
    """Steps until the rate is reached; from the first on it falls, to nothing at the last."""
    stop_weight: float = 1.0
    """Of the place where the cut is to be told, beside any other."""
    look_every: int = 100
    """Steps between two looks at the kept-out speakers."""
    looked_at: int = 512
    """Windows of theirs."""
    seed: int = 0


@dataclass(frozen=True)
class Look:
    """What the kept-out speakers show."""

    loss: float
    stops: float
    """Share of cut windows at whose end the decoder stops."""
    last_tokens: float
    """Share of the last three tokens before the cut that are the teacher's."""
    whole_tokens: float
    """The same for all tokens of whole recordings."""


@dataclass(frozen=True, eq=False)
class Batch:
    """`tokens [B, T]`, `states [B, S, 288]`, `heard [B, S]`, `targets`, `shares [B, T, K]`,
    `is_cut [B]`, `last [B]` the place of each window's last token."""

    tokens: Tensor
    states: Tensor
    heard: Tensor
    targets: Tensor
    shares: Tensor
    is_cut: Tensor
    last: Tensor


def batched(windows: Sequence[Window]) -> Batch:
    """Shorter windows are padded."""
    n_tokens, n_frames = (
        max(len(one.tokens) for one in windows),
        max(len(one.states) for one in windows),
    )
    kept = windows[0].targets.shape[1]
    tokens = np.full((len(windows), n_tokens), EOS, np.int64)
    states = np.zeros((len(windows), n_frames, windows[0].states.shape[1]), np.float32)
    heard = np.zeros((len(windows), n_frames), bool)
    targets = np.full((len(windows), n_tokens, kept), IGNORED, np.int64)
    shares = np.zeros((len(windows), n_tokens, kept), np.float32)
    for row, one in enumerate(windows):
        tokens[row, : len(one.tokens)] = one.tokens
        states[row, : len(one.states)] = one.states
        heard[row, : len(one.states)] = True
        targets[row, : len(one.tokens)] = one.targets
        shares[row, : len(one.tokens)] = one.shares
    last = np.array([len(one.tokens) - 1 for one in windows])
    is_cut = np.array([one.is_cut for one in windows])
    parts = (tokens, states, heard, targets, shares, is_cut, last)
    return Batch(*(torch.from_numpy(part) for part in parts))


def loss_of(logits: Tensor, batch: Batch, stop_weight: float) -> Tensor:
    """Cross-entropy against what the teacher thinks, the mean over all places that are taught."""
    log_shares = functional.log_softmax(logits, dim=-1)
    picked = log_shares.gather(-1, batch.targets.clamp(min=0))
    weight = (batch.targets[..., 0] != IGNORED).float()
    rows = torch.arange(len(weight))
    weight[rows, batch.last] *= 1 + (stop_weight - 1) * batch.is_cut.float()
    places = -(picked * batch.shares).sum(dim=-1)
    return (places * weight).sum() / weight.sum()


class Trainer:
    """Steps, looks at the kept-out speakers, and the best updates so far."""

    def __init__(self, config: TrainConfig, work: Path) -> None:
        torch.manual_seed(config.seed)
        self._config, self._work = config, work
        decoder = Zoo().path(MOONSHINE.name, "decoder_model_merged.ort")
        self.net = TunedDecoder(decoder, config.rank)
        self._learned = [each for each in self.net.parameters() if each.numel()]
        self._optimizer = torch.optim.AdamW(self._learned, lr=config.rate, weight_decay=0.01)
        self._rng = random.Random(config.seed)
        self.looks: list[dict[str, float]] = []
        self._began = time.monotonic()

    def run(self) -> None:
        """All steps; the updates of the best look are kept."""
        dev = [one for path in sorted(self._work.glob("dev-*.npz")) for one in read_shard(path)]
        dev = dev[: self._config.looked_at]
        self._note(0, self.look(dev))
        best, every, steps = math.inf, self._config.look_every, self._config.steps
        for step, batch in enumerate(islice(self._batches(), steps)):
            self._learn(batch, step)
            if (step + 1) % every == 0 or step + 1 == steps:
                look = self.look(dev)
                self._note(step + 1, look)
                if look.loss < best:
                    best = look.loss
                    save_file(self._updates(), self._work / UPDATES)

    def look(self, windows: Sequence[Window]) -> Look:
        """What the windows show of the decoder as it is."""
        self.net.eval()
        losses, stops, lasts, wholes = [], [], [], []
        ordered = sorted(windows, key=lambda one: len(one.states))
        with torch.inference_mode():
            for at in range(0, len(ordered), self._config.batch):
                batch = batched(ordered[at : at + self._config.batch])
                logits = self.net(batch.tokens, batch.states, batch.heard)
                losses.append(float(loss_of(logits, batch, self._config.stop_weight)))
                right = logits.argmax(dim=-1) == batch.targets[..., 0]
                taught = batch.targets[..., 0] != IGNORED
                for row, last in enumerate(batch.last.tolist()):
                    if not batch.is_cut[row]:
                        wholes += right[row][taught[row]].tolist()
                        continue
                    stops.append(bool(right[row, last]))
                    near = slice(max(0, last - 3), last)
                    lasts += right[row, near][taught[row, near]].tolist()
        self.net.train()
        return Look(*(float(np.mean(each)) for each in (losses, stops, lasts, wholes)))

    def _batches(self) -> Iterator[Batch]:
        """All windows again and again, in batches of about one length, in any order."""
        paths = sorted(self._work.glob("train-*.npz"))
        windows = [one for path in paths for one in read_shard(path)]
        size = self._config.batch
        while True:
            windows.sort(key=lambda one: len(one.states) + self._rng.randrange(40))
            groups = [windows[at : at + size] for at in range(0, len(windows), size)]
            self._rng.shuffle(groups)
            yield from map(batched, groups)

    def _learn(self, batch: Batch, step: int) -> None:
        config = self._config
        rate = config.rate * min(1, (step + 1) / config.warmup) * (1 - step / config.steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        logits = self.net(batch.tokens, batch.states, batch.heard)
        loss = loss_of(logits, batch, self._config.stop_weight)
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self._learned, 1.0)
        self._optimizer.step()

    def _updates(self) -> dict[str, Tensor]:
        return {name: each.half().contiguous() for name, each in self.net.updates().items()}

    def _note(self, step: int, look: Look) -> None:
        minutes = round((time.monotonic() - self._began) / 60, 1)
        self.looks.append({"step": step, "minutes": minutes, **asdict(look)})
        told = {"config": asdict(self._config), "looks": self.looks}
        (self._work / "looks.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
        print(self.looks[-1], flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    for field in fields(TrainConfig):
        name = f"--{field.name.replace('_', '-')}"
        parser.add_argument(name, type=type(field.default), default=field.default)
    args = vars(parser.parse_args())
    torch.set_num_threads(args["threads"])
    config = TrainConfig(**{field.name: args[field.name] for field in fields(TrainConfig)})
    Trainer(config, args["work"]).run()


if __name__ == "__main__":
    main()
