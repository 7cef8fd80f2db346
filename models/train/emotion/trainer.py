"""Trains the emotion classifier."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.tensorboard import SummaryWriter

from streamer.models.emotion.classifier import LABELS
from streamer.models.train.emotion.augment import Augmenter
from streamer.models.train.emotion.config import TrainConfig
from streamer.models.train.emotion.data import Clip, Split, fixed_windows
from streamer.models.train.emotion.net import EmotionNet, n_frames

_LOG = logging.getLogger(__name__)


def uar(labels: Tensor, predicted: Tensor, n_classes: int) -> float:
    """Unweighted average recall over the classes present."""
    recalls = [
        (predicted[labels == c] == c).float().mean().item()
        for c in range(n_classes)
        if bool((labels == c).any())
    ]
    return sum(recalls) / len(recalls)


class Trainer:
    """Batches, steps, dev scores, checkpoints."""

    def __init__(self, config: TrainConfig, split: Split, work: Path) -> None:
        torch.manual_seed(config.seed)
        self.config, self._split = config, split
        cleaned = [replace(c, samples=c.cleaned) for c in split.dev if c.cleaned is not None]
        self._dev = [dev for dev in (split.dev, cleaned) if dev]
        self.net = EmotionNet(config.net)
        self.ema = copy.deepcopy(self.net).eval()
        self._augment = Augmenter(config.augment, config.seed)
        self._order = np.random.default_rng(config.seed)
        self._steps = max(1, len(split.train) // config.batch_size)
        labels = torch.tensor([clip.label for clip in split.train])
        counts = torch.bincount(labels, minlength=len(LABELS))
        self._class_weight = (len(labels) / (len(LABELS) * counts.clamp(min=1))).float()
        self._optimizer = torch.optim.AdamW(self._groups(), weight_decay=config.weight_decay)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, self._rate)
        self._checkpoint = work / "emotion.ckpt"
        self.epoch, self.best_uar, self.best_epoch = 0, -1.0, -1
        self.best_state = copy.deepcopy(self.ema.state_dict())

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Takes over weights, of the whole network or of its encoder, before the first epoch."""
        self.net.load_state_dict(state, strict=False)
        self.ema.load_state_dict(self.net.state_dict())

    def resume(self) -> bool:
        """Goes on from the checkpoint, if there is one."""
        if not self._checkpoint.is_file():
            return False
        saved = torch.load(self._checkpoint, weights_only=False)
        self.net.load_state_dict(saved["net"])
        self.ema.load_state_dict(saved["ema"])
        self._optimizer.load_state_dict(saved["optimizer"])
        self._schedule.load_state_dict(saved["schedule"])
        self.epoch, self.best_epoch = saved["epoch"], saved["best_epoch"]
        self.best_uar, self.best_state = saved["best_uar"], saved["best_state"]
        self._augment, self._order = saved["augment"], saved["order"]
        torch.set_rng_state(saved["torch_rng"])
        return True

    def run(self, writer: SummaryWriter, clock: Callable[[], float], until_s: float) -> None:
        """Trains until the epochs, the patience or the time are used up.

        Args:
            writer: of the curves.
            clock: gives seconds.
            until_s: when `clock` has passed this, the epoch begun is the last.
        """
        start = clock()
        while self.epoch < self.config.epochs:
            if self.epoch - self.best_epoch >= self.config.patience and self.epoch > 0:
                _LOG.info("no better dev UAR for %d epochs", self.config.patience)
                return
            if clock() > until_s:
                _LOG.info("time is up")
                return
            loss = self._one_epoch()
            self.epoch += 1
            lengths = self.config.dev_window_s
            scores = [self._dev_uar(dev, seconds) for dev in self._dev for seconds in lengths]
            score = sum(scores) / len(scores)
            if score > self.best_uar:
                self.best_uar, self.best_epoch = score, self.epoch
                self.best_state = copy.deepcopy(self.ema.state_dict())
            writer.add_scalar("loss", loss, self.epoch)
            writer.add_scalar("dev_uar", score, self.epoch)
            shown = (self.epoch, loss, score, (clock() - start) / 60)
            _LOG.info("epoch %d loss %.3f dev %.3f (%.1f min)", *shown)
            self._save()

    def _one_epoch(self) -> float:
        self.net.train()
        total = 0.0
        for clips in self._batches():
            samples, target = self._augment.batch(clips)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.config.bfloat16):
                frames = n_frames(samples.shape[1])
                logits = self.net(samples, self._augment.keep_mask(len(clips), frames))
            # With shares for targets, the class weights multiply each share's term.
            loss = functional.cross_entropy(
                logits.float(),
                target,
                weight=self._class_weight,
                label_smoothing=self.config.label_smoothing,
            )
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
            self._optimizer.step()
            self._schedule.step()
            self._update_mean()
            total += loss.item()
        return total / self._steps

    def _batches(self) -> Iterator[list[Clip]]:
        train, size = self._split.train, self.config.batch_size
        order = self._order.permutation(len(train))
        for step in range(self._steps):
            yield [train[i] for i in order[step * size : (step + 1) * size]]

    def _update_mean(self) -> None:
        # A young mean forgets its start faster, or the first epochs would judge the start.
        step = self._schedule.last_epoch
        decay = min(self.config.ema_decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, now in zip(self.ema.parameters(), self.net.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)

    def _dev_uar(self, dev: Sequence[Clip], seconds: float) -> float:
        logits = self.logits(self.ema, fixed_windows(dev, seconds))
        labels = torch.tensor([clip.label for clip in dev])
        return uar(labels, logits.argmax(dim=1), len(LABELS))

    def logits(self, net: EmotionNet, windows: Tensor) -> Tensor:
        """[n, N] -> [n, C] without gradients."""
        precision = torch.autocast("cpu", torch.bfloat16, enabled=self.config.bfloat16)
        with torch.inference_mode(), precision:
            return torch.cat([net(part).float() for part in torch.split(windows, 32)])

    def best(self) -> EmotionNet:
        """The network of the best epoch."""
        net = copy.deepcopy(self.ema)
        net.load_state_dict(self.best_state)
        return net

    def _groups(self) -> list[dict[str, Any]]:
        stem, layers, head = [], [], []
        for name, parameter in self.net.named_parameters():
            if name.startswith("encoder.layers"):
                layers.append(parameter)
            elif name.startswith(("encoder.conv1", "encoder.norm1")):
                parameter.requires_grad_(False)
            elif name.startswith("encoder."):
                stem.append(parameter)
            else:
                head.append(parameter)
        c = self.config
        return [
            {"params": stem, "lr": c.stem_lr},
            {"params": layers, "lr": c.layer_lr},
            {"params": head, "lr": c.head_lr},
        ]

    def _rate(self, step: int) -> float:
        """Linear warm-up, then half a cosine."""
        total = self._steps * self.config.epochs
        warm = max(1, int(total * self.config.warmup_share))
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, total - warm))))

    def _save(self) -> None:
        torch.save(
            {
                "net": self.net.state_dict(),
                "ema": self.ema.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "schedule": self._schedule.state_dict(),
                "epoch": self.epoch,
                "best_epoch": self.best_epoch,
                "best_uar": self.best_uar,
                "best_state": self.best_state,
                "augment": self._augment,
                "order": self._order,
                "torch_rng": torch.get_rng_state(),
            },
            self._checkpoint,
        )
