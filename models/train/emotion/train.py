"""Trains the emotion classifier that ships in `models/weights`.

    python -m streamer.models.train.emotion.train --data ../shared/data --out models/weights

Fine-tunes the lower layers of Moonshine tiny's encoder with attentive pooling on CREMA-D's acted
labels, as the clips are and as browsers hand them over. Read speech that nobody acted serves to fit
how sure it may be. Speakers of train, dev and test are apart; dev speakers choose the epoch and the
certainty, test speakers only meet `benchmarks/emotion`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter

from streamer.models.train.emotion.browser import cleaned
from streamer.models.train.emotion.certainty import fit_certainty, gather_evidence
from streamer.models.train.emotion.config import TrainConfig
from streamer.models.train.emotion.data import DEV_SPEAKERS, TEST_SPEAKERS, load_split
from streamer.models.train.emotion.export import export_onnx
from streamer.models.train.emotion.moonshine_init import load_moonshine_encoder
from streamer.models.train.emotion.trainer import Trainer

_LOG = logging.getLogger(__name__)


def find_encoder() -> Path:
    """Moonshine's encoder in the installed wheel.

    Raises:
        FileNotFoundError: with the command that brings it.
    """
    spec = importlib.util.find_spec("moonshine_voice")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "assets" / "tiny-en" / "encoder_model.ort"
        if path.is_file():
            return path
    raise FileNotFoundError("no Moonshine encoder: pip install --no-deps moonshine-voice==0.1.0")


def train(
    config: TrainConfig,
    data: Path,
    out: Path,
    work: Path,
    *,
    encoder: Path | None,
    resume: bool = False,
    dev_speakers: Sequence[str] = DEV_SPEAKERS,
    test_speakers: Sequence[str] = TEST_SPEAKERS,
    clock: Callable[[], float] = time.monotonic,
) -> Path:
    """Trains and exports.

    Args:
        config: the recipe.
        data: folder with `emotion/crema_d` and the read speech.
        out: where `emotion.onnx` goes.
        work: where checkpoints, logs and the dev report go.
        encoder: Moonshine's `encoder_model.ort`, or None to start from random weights.
        resume: go on from the checkpoints in `work`.
        dev_speakers, test_speakers: kept out of training.
        clock: gives seconds, for the limit on minutes.

    Returns:
        The path of the exported model.
    """
    torch.set_num_threads(config.threads)
    out.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    split = load_split(data, dev_speakers, test_speakers)
    draw = np.random.default_rng(config.seed)
    read = [split.read[i] for i in draw.permutation(len(split.read))[: config.certainty.n_read]]
    split = replace(split, read=read)
    counts = len(split.train), len(split.dev), len(split.read)
    _LOG.info("%d train, %d dev, %d read clips", *counts)
    if config.augment.cleaned:
        parts = split.train, split.dev, split.read
        acted, dev, read = (cleaned(part, config.seed) for part in parts)
        split = replace(split, train=acted, dev=dev, read=read)
    trainer = Trainer(config, split, work)
    if not (resume and trainer.resume()) and encoder is not None:
        weights = load_moonshine_encoder(encoder, config.net.n_layers)
        trainer.start_from({f"encoder.{name}": w for name, w in weights.items()})
    with SummaryWriter(str(work / "tensorboard")) as writer:
        trainer.run(writer, clock, clock() + 60 * config.max_minutes)
    net = trainer.best()
    evidence = gather_evidence(
        net, split.dev, split.read, config.certainty, config.seed, bfloat16=config.bfloat16
    )
    certainty = fit_certainty(evidence, config.certainty.decay)
    torch.save({"config": config, "state": net.state_dict()}, work / "emotion_best.pt")
    report = {
        "best_epoch": trainer.best_epoch,
        "dev_uar": trainer.best_uar,
        "config": asdict(config),
    }
    (work / "emotion_train.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return export_onnx(net, certainty, out / "emotion.onnx", shown_from=config.shown_from)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train the emotion classifier.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("models/weights"))
    parser.add_argument("--work", type=Path, default=Path("runs/emotion"))
    parser.add_argument("--encoder", type=Path, help="encoder_model.ort; default: the wheel's")
    parser.add_argument("--from-scratch", action="store_true", help="random initial weights")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--seed", type=int, default=TrainConfig.seed)
    parser.add_argument("--threads", type=int, default=TrainConfig.threads)
    parser.add_argument("--max-minutes", type=float, default=TrainConfig.max_minutes)
    args = parser.parse_args(argv)
    # `force`, since a library imported above may have set up logging already.
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    config = TrainConfig(seed=args.seed, threads=args.threads, max_minutes=args.max_minutes)
    encoder = None if args.from_scratch else args.encoder or find_encoder()
    path = train(config, args.data, args.out, args.work, encoder=encoder, resume=args.resume)
    _LOG.info("wrote %s", path.name)


if __name__ == "__main__":
    main()
