"""The recipe of the draft decoder, on the bundled recordings and the real decoder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.numpy import load_file

from benchmarks.research.draft_windows import SETS, Teacher, WindowConfig, prepare
from streamer.decoding.loading import load_speech
from streamer.decoding.speech import SpeechModels
from streamer.models.moonshine.decoder_weights import DecoderWeights
from streamer.models.moonshine.tokenizer import BOS, EOS
from streamer.models.onnx.ort_file import ShippedGraph
from streamer.models.store.catalog import MOONSHINE
from streamer.models.store.zoo import Zoo
from streamer.models.train.draft.net import TunedDecoder
from streamer.models.train.draft.train import UPDATES, TrainConfig, Trainer, batched
from streamer.models.train.draft.windows import IGNORED, Window, read_shard, write_shard

pytestmark = pytest.mark.slow

CLIP = "7021-85628-0010.opus"


@pytest.fixture(scope="module")
def models() -> SpeechModels:
    """As they were published."""
    loaded = load_speech(MOONSHINE.name, Zoo(), threads=1)
    assert isinstance(loaded, SpeechModels)
    return loaded


def windows(models: SpeechModels, clip: Path, count: int, whole: float) -> list[Window]:
    samples, _ = soundfile.read(clip, dtype="float32")
    config = WindowConfig(whole=whole, from_start=0.5, noise=0, speed=0, gain_db=(0, 0))
    return list(Teacher(models, config, seed=3).windows(samples, count))


def test_a_cut_window_is_taught_whole_words_and_the_end(
    models: SpeechModels, bundled_speech: Path
) -> None:
    cut = windows(models, bundled_speech / CLIP, 12, whole=0.0)
    assert len(cut) == 12
    (whole, *_) = windows(models, bundled_speech / CLIP, 1, whole=1.0)
    said = models.tokenizer.decode(whole.tokens.tolist()).split()
    lengths = set()
    for one in cut:
        assert one.is_cut
        assert one.tokens[0] == BOS
        assert one.targets[-1].tolist() == [EOS] + [IGNORED] * 7
        assert one.shares[-1, 0] == 1
        words = models.tokenizer.decode(one.tokens.tolist()).split()
        lengths.add(len(words))
        if words:
            # Words of the whole recording, in a row, but for a mark that nobody can know yet.
            *first, last = words
            starts = [at for at in range(len(said)) if said[at : at + len(first)] == first]
            assert any(said[at + len(first)].startswith(last.rstrip(".,")) for at in starts)
        # What is taught of a place is what is fed next.
        for given, taught in zip(one.tokens[1:], one.targets[:-1], strict=True):
            assert taught[0] in (given, IGNORED)
    assert len(lengths) > 3


def test_windows_are_kept_as_they_are(
    models: SpeechModels, bundled_speech: Path, tmp_path: Path
) -> None:
    made = windows(models, bundled_speech / CLIP, 5, whole=0.5)
    write_shard(made, tmp_path / "some.npz")
    for one, again in zip(made, read_shard(tmp_path / "some.npz"), strict=True):
        assert one.is_cut == again.is_cut
        for name in ("states", "tokens", "targets", "shares"):
            np.testing.assert_array_equal(getattr(one, name), getattr(again, name))


def test_the_net_is_the_shipped_decoder(models: SpeechModels, bundled_speech: Path) -> None:
    net = TunedDecoder(Zoo().path(MOONSHINE.name, "decoder_model_merged.ort"), rank=4)
    some = windows(models, bundled_speech / CLIP, 4, whole=1.0)
    batch = batched(some)
    with torch.inference_mode():
        shares = net(batch.tokens, batch.states, batch.heard).softmax(-1)
    picked = shares.gather(-1, batch.targets.clamp(min=0))
    taught = batch.targets[..., 0] != IGNORED
    # Windows have silence behind them, the teacher had not: the same but for that.
    assert (picked - batch.shares)[taught].abs().mean() < 0.03


def test_it_learns_to_stop(models: SpeechModels, bundled_speech: Path, tmp_path: Path) -> None:
    """What is learned is written, fits the decoder, and lowers the loss."""
    cut = [
        *windows(models, bundled_speech / CLIP, 4, whole=0.0),
        *windows(models, bundled_speech / CLIP, 1, whole=1.0),
    ]
    for role in ("train", "dev"):
        write_shard(cut, tmp_path / f"{role}-000.npz")
    config = TrainConfig(rank=4, batch=4, steps=6, look_every=6, warmup=1, rate=4e-3)
    Trainer(config, tmp_path).run()
    looks = json.loads((tmp_path / "looks.json").read_text())["looks"]
    assert [look["step"] for look in looks] == [0, 6]
    assert looks[-1]["loss"] < 0.8 * looks[0]["loss"]
    assert looks[-1]["stops"] > looks[0]["stops"]
    updates = load_file(tmp_path / UPDATES)
    shipped = DecoderWeights.read(
        ShippedGraph(Zoo().path(MOONSHINE.name, "decoder_model_merged.ort"))
    )
    tuned = shipped.tuned(updates)
    changed = {n for n, p in tuned.products.items() if p is not shipped.products[n]}
    assert changed
    assert not {name for name in changed if name.endswith((".cross.k", ".cross.v", "logits"))}


def test_speakers_are_in_one_fold(bundled_speech: Path, tmp_path: Path) -> None:
    names = (CLIP, "1064_TIE_HAP_XX.opus")
    for name in SETS:
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        lines = [
            {"path": str(bundled_speech / clip), "speaker": speaker, "text": "said"}
            for clip, speaker in zip(names, ("a", "c"), strict=True)
        ]
        (folder / "manifest.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    prepare(tmp_path / "data", tmp_path / "work", seed=0, share=1.0)
    shards = sorted(path.name for path in (tmp_path / "work").iterdir())
    assert shards == ["dev-000.npz", "train-000.npz"]
