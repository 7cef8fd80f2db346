"""Whether the second listener's encoder tells more of the emotion than the network that ships.

    python -m benchmarks.research.emotion_listener --data ../shared/data

A small network hears the mean and the deviation over time of the states of Whisper base's lower
layers, which stay as they are. It learns from the shipped recipe's train speakers, as recorded and
behind browsers, and is judged on dev speakers, on corpora never met, and by how much of acted
speech it would show if hardly any of read speech may be shown. `pip install -e '.[train]'` first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.common import RESULTS, DataOption, OutOption, run, write_json
from benchmarks.emotion.corpora import OTHER_SETS, READ_SETS, WEIGHTS
from benchmarks.emotion.scores import recalls, uar
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import LABELS, EmotionClassifier
from streamer.models.emotion.track import NEUTRAL
from streamer.models.store.catalog import WHISPER_BASE
from streamer.models.store.zoo import Zoo
from streamer.models.train.emotion.browser import cleaned
from streamer.models.train.emotion.data import (
    CREMA_D,
    DEV_SPEAKERS,
    TEST_SPEAKERS,
    Clip,
    load_clips,
    load_read_speech,
)
from streamer.models.train.emotion.net import EmotionNetConfig, FrontEnd
from streamer.models.whisper.features import HOP_SAMPLES, LogMel
from streamer.models.whisper.judge_graph import WEIGHTS_FILE
from streamer.models.whisper.loading import listener_folder
from streamer.models.whisper.weights_file import WeightsFile

LAYERS: Final = 4
LONGEST: Final = 5 * SAMPLE_RATE
READ_PER_SPEAKER: Final = 3
CALM_SHARE: Final = 0.01
"""Of read clips, what may be shown as emotional."""
NARROW_BELS: Final = 3.0
"""Of the spectra, so that the quiet between words is the same in every room."""
EPOCHS: Final = 30
_BATCH: Final = 16
_MELS: Final = 80
_FRAME: Final = 2 * HOP_SAMPLES
_FEWEST_FRAMES: Final = 20
_HEAD_BATCH: Final = 128

Probabilities = npt.NDArray[np.float32]
"""[n, C]"""


class WhisperLayers:
    """The lower layers of the encoder in a model for CTranslate2, which gives the last alone.

    Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022.
    """

    def __init__(self, path: Path, n_layers: int) -> None:
        """`path` is a `model.bin` with 16-bit weights."""
        self._weights = WeightsFile(path)
        self._n_layers = n_layers
        self._n_heads = int(self._weights.get("encoder/num_heads"))

    @torch.no_grad()
    def __call__(self, mels: Tensor) -> list[Tensor]:
        """States `[B, F / 2, D]` before the first layer and after each, of `mels [B, 80, F]`."""
        x = functional.gelu(self._convolved("encoder/conv1", mels, 1))
        x = functional.gelu(self._convolved("encoder/conv2", x, 2)).transpose(1, 2).float()
        x = x + self._tensor("encoder/position_encodings/encodings")[: x.shape[1]]
        found = [x]
        for at in range(self._n_layers):
            layer = f"encoder/layer_{at}"
            normed = self.normed(f"{layer}/self_attention/layer_norm", x)
            mixed = self._product(f"{layer}/self_attention/linear_0", normed)
            split = mixed.reshape(*x.shape[:2], 3, self._n_heads, -1)
            heads = split.permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
            x = x + self._product(f"{layer}/self_attention/linear_1", mixed)
            normed = self.normed(f"{layer}/ffn/layer_norm", x)
            up = functional.gelu(self._product(f"{layer}/ffn/linear_0", normed))
            x = x + self._product(f"{layer}/ffn/linear_1", up)
            found.append(x)
        return found

    def normed(self, name: str, x: Tensor) -> Tensor:
        gamma, beta = (self._tensor(f"{name}/{part}") for part in ("gamma", "beta"))
        return functional.layer_norm(x, gamma.shape, gamma, beta)

    def _product(self, name: str, x: Tensor) -> Tensor:
        return functional.linear(x.bfloat16(), *self._layer(name)).float()

    def _convolved(self, name: str, x: Tensor, stride: int) -> Tensor:
        weight, bias = self._layer(name)
        return functional.conv1d(x.bfloat16(), weight, bias, stride=stride, padding=1)

    def _layer(self, name: str) -> tuple[Tensor, Tensor]:
        weight, bias = (self._tensor(f"{name}/{part}").bfloat16() for part in ("weight", "bias"))
        return weight, bias

    def _tensor(self, name: str) -> Tensor:
        return torch.from_numpy(self._weights.get(name).astype(np.float32))


def spectra(samples: Floats, bels: float | None) -> Floats:
    """`[80, F]` of samples [N], brought to one loudness; nothing lies further below the loudest
    than `bels`, or 8."""
    (levelled,) = FrontEnd(EmotionNetConfig())(torch.from_numpy(samples)[None]).numpy()
    found = LogMel(_MELS)(levelled)
    return found if bels is None else np.maximum(found, found.max() - bels / 4)


def pooled(layers: WhisperLayers, clips: Sequence[Floats], bels: float | None) -> Tensor:
    """Mean and deviation of each layer's states over a clip of at most `LONGEST`. [n, D]

    A clip is heard beside others of about its length, with silence behind it up to the longest's.
    """
    rows: dict[int, Tensor] = {}
    order = sorted(range(len(clips)), key=lambda at: len(clips[at]))
    for start in range(0, len(order), _BATCH):
        some = order[start : start + _BATCH]
        cut = [clips[at][:LONGEST] for at in some]
        frames = [max(1, len(clip) // _FRAME) for clip in cut]
        length = max(frames[-1], _FEWEST_FRAMES) * _FRAME
        padded = [np.pad(clip[:length], (0, max(0, length - len(clip)))) for clip in cut]
        mels = np.stack([spectra(clip, bels) for clip in padded]).astype(np.float32)
        states = torch.stack(layers(torch.from_numpy(mels)), dim=1)
        for at, own, count in zip(some, states, frames, strict=True):
            heard = own[:, :count]
            both = (heard.mean(dim=1), heard.std(dim=1, correction=0))
            rows[at] = torch.cat(both, dim=-1).flatten()
    return torch.stack([rows[at] for at in range(len(clips))])


class Head:
    """A small network on pooled states [n, D]."""

    def __init__(self, states: Tensor, labels: Tensor) -> None:
        torch.manual_seed(0)
        self._mean, self._deviation = states.mean(dim=0), states.std(dim=0) + 1e-3
        self._net = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(states.shape[1], 256),
            nn.GELU(),
            nn.Dropout(0.5),
            nn.Linear(256, len(LABELS)),
        )
        steps = EPOCHS * (len(states) // _HEAD_BATCH)
        optimizer = torch.optim.AdamW(self._net.parameters(), weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps)
        x = (states - self._mean) / self._deviation
        for _ in range(EPOCHS):
            order = torch.randperm(len(x))
            for start in range(0, len(x) - _HEAD_BATCH + 1, _HEAD_BATCH):
                some = order[start : start + _HEAD_BATCH]
                optimizer.zero_grad()
                scores = self._net(x[some])
                loss = functional.cross_entropy(scores, labels[some], label_smoothing=0.05)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
        self._net.eval()

    @torch.no_grad()
    def __call__(self, states: Tensor) -> Probabilities:
        scores = self._net((states - self._mean) / self._deviation)
        found: Probabilities = scores.softmax(dim=-1).numpy()
        return found


def shown_rightly(
    probabilities: Probabilities, labels: npt.NDArray[np.int64], read: Probabilities
) -> dict[str, float]:
    """What of acted emotions is shown, and of that rightly, with the threshold that `CALM_SHARE` of
    read clips reach."""
    neutral = LABELS.index(NEUTRAL)

    def likeliest(some: Probabilities) -> Floats:
        return np.where(some.argmax(axis=1) == neutral, 0, some.max(axis=1))

    threshold = float(np.quantile(likeliest(read), 1 - CALM_SHARE))
    shown = likeliest(probabilities) > threshold
    right = probabilities.argmax(axis=1)[shown] == labels[shown]
    return {
        "shown_from": round(threshold, 3),
        "shown": round(float(shown[labels != neutral].mean()), 4),
        "right_of_shown": round(float(right.mean()) if len(right) else 0.0, 4),
    }


def judged(
    heard: Mapping[str, Probabilities], labels: Mapping[str, npt.NDArray[np.int64]]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, truth in labels.items():
        predicted = heard[name].argmax(axis=1)
        each = zip(LABELS, recalls(truth, predicted), strict=True)
        found[name] = {
            "uar": round(uar(truth, predicted), 4),
            "recall": {label: round(float(value), 4) for label, value in each},
            **shown_rightly(heard[name], truth, heard["read"]),
        }
    calm = heard["read"].argmax(axis=1) == LABELS.index(NEUTRAL)
    return {**found, "read_neutral": round(float(calm.mean()), 4)}


def _samples(clips: Sequence[Clip]) -> list[Floats]:
    return [clip.samples for clip in clips]


def _behind_browser(clips: Sequence[Clip]) -> list[Floats]:
    return [clip.samples if clip.cleaned is None else clip.cleaned for clip in cleaned(clips, 0)]


def main(data: DataOption = Path("../shared/data"), out: OutOption = RESULTS / "research") -> None:
    torch.set_num_threads(1)
    acted = load_clips(data / CREMA_D)
    train = [clip for clip in acted if clip.speaker not in (*DEV_SPEAKERS, *TEST_SPEAKERS)]
    dev = [clip for clip in acted if clip.speaker in DEV_SPEAKERS]
    others = {name: load_clips(data / folder) for name, folder in OTHER_SETS.items()}
    read = [
        clip
        for folder in READ_SETS.values()
        for clip in load_read_speech(data / folder, READ_PER_SPEAKER)
    ]
    learned = {"as recorded": _samples(train), "behind browsers": _behind_browser(train)}
    judges = {"dev": _samples(dev), "dev behind browsers": _behind_browser(dev)}
    judges |= {name: _samples(clips) for name, clips in others.items()}
    judges["read"] = _samples(read)
    truth = {"dev": dev, "dev behind browsers": dev, **others}
    labels = {name: np.array([clip.label for clip in clips]) for name, clips in truth.items()}
    shipped = EmotionClassifier(WEIGHTS, threads=1)
    heard = {
        name: np.array([list(shipped.classify_clip(one).probs.values()) for one in clips])
        for name, clips in judges.items()
    }
    results = {"the network that ships": judged(heard, labels)}
    layers = WhisperLayers(listener_folder(WHISPER_BASE.name, Zoo()) / WEIGHTS_FILE, LAYERS)
    targets = torch.tensor([clip.label for clip in train])
    for bels, trainings in ((None, (1, 2)), (NARROW_BELS, (2,))):
        states = {name: pooled(layers, clips, bels) for name, clips in (learned | judges).items()}
        for kinds in trainings:
            parts = list(learned)[:kinds]
            head = Head(torch.cat([states[part] for part in parts]), targets.repeat(kinds))
            heard = {name: head(states[name]) for name in judges}
            spread = "" if bels is None else f", spectra of {10 * bels:.0f} dB"
            results[f"{' and '.join(parts)}{spread}"] = judged(heard, labels)
    Console().print_json(json.dumps(results))
    parameters = {"encoder": WHISPER_BASE.name, "layers": LAYERS, "calm_share": CALM_SHARE}
    write_json("research.emotion_listener", out, parameters, results)


app = run(main)

if __name__ == "__main__":
    app()
