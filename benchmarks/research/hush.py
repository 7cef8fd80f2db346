"""A learned hush: can sound that is put behind a cut make the draft decoder stop there?

    python -m benchmarks.research.hush --data ../shared/data

Streaming puts 160 ms of zeros behind the sound of every step (`RecognizerOptions.step_silence_ms`).
Here samples are learned in their place, through the frozen encoder and decoder, so that of a window
cut anywhere the words that ended before the cut come out, and then the end (the hush word of Wang
et al., "WhisperFlow", 2024; the lessons are those of `draft_windows`). One fold of speakers is kept
out: on it, and through the streaming path on clips of other sets, both are heard.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, get_args

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.common import (
    Recording,
    Setup,
    choose,
    load_clips,
    load_sets,
    run_speech,
    write_json,
)
from benchmarks.quality.accuracy import bootstrap
from benchmarks.quality.commit_curve import TAIL_S
from benchmarks.quality.streaming import stream
from benchmarks.research.draft_windows import DEV_FOLD, Cut, Teacher, WindowConfig, fold_of
from benchmarks.research.steadiness import PLAIN, Heard, delays_of
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE, samples_from_ms
from streamer.decoding.loading import load_speech, shipped_files, speech_graphs
from streamer.decoding.speech import SpeechModels
from streamer.models.card.device import Card
from streamer.models.card.layers import attend, layer_norm, rotated, turns
from streamer.models.card.moonshine import EncoderTensors, place_encoder
from streamer.models.moonshine.config import TINY
from streamer.models.moonshine.encoder import (
    NORM_EPSILON,
    AsrEncoder,
    EncodedAudio,
    EncoderStream,
)
from streamer.models.moonshine.encoder_weights import EncoderWeights
from streamer.models.moonshine.weights import read_shipped
from streamer.models.store.catalog import MOONSHINE
from streamer.models.store.zoo import Zoo
from streamer.models.train.draft.net import TunedDecoder
from streamer.models.train.draft.windows import IGNORED
from streamer.recognition.contract import Decoder, SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.options import RecognizerOptions
from streamer.transcript.wer import WordErrors, word_errors

TAUGHT: Final = "librispeech_dev_clean_mp3,speechocean762_train"
HEARD: Final = "librispeech_test_clean_opus,librispeech_test_other,speechocean762"
HUSHED: Final = "hushed"
CUTS_A_CLIP: Final = 2
_WINDOWS = WindowConfig(whole=0.2, longest_s=8.0, shortest_s=1.0, end_silence_s=(0.0,))


class HushedEncoder(AsrEncoder):
    """Puts `hush` where as much silence is asked for."""

    hush: Floats = np.zeros(0, np.float32)

    def audio(
        self,
        stream: EncoderStream,
        n_samples: int | None = None,
        *,
        n_silent: int = 0,
        afresh: bool = False,
    ) -> EncodedAudio | None:
        if not n_silent or n_silent != len(self.hush):
            return super().audio(stream, n_samples, n_silent=n_silent, afresh=afresh)
        bands, sums, waiting = stream.bands, stream.sums, stream.waiting
        self.listen(stream, self.hush)
        found = super().audio(stream, afresh=afresh)
        stream.bands, stream.sums, stream.waiting = bands, sums, waiting
        return found


@dataclass(frozen=True)
class HushConfig:
    steps: int = 400
    batch: int = 8
    rate: float = 2e-3
    first: float = 1e-3
    """Standard deviation of the samples to begin with."""
    lessons: int = 1_600
    looked_at: int = 300
    look_every: int = 100
    seed: int = 0


class Hush:
    """The models, frozen, in PyTorch, and the samples that are learned."""

    def __init__(self, n_samples: int, config: HushConfig, zoo: Zoo) -> None:
        torch.manual_seed(config.seed)
        self._config = config
        self._encoder = shipped_encoder(zoo)
        decoder = TunedDecoder(shipped_files(zoo)[1], 0)
        self._decoder = decoder.requires_grad_(requires_grad=False)
        self.samples = nn.Parameter(config.first * torch.randn(n_samples))
        self._optimizer = torch.optim.Adam([self.samples], lr=config.rate)

    def learn(self, cuts: Sequence[Cut], kept_out: Sequence[Cut]) -> list[dict[str, float]]:
        """All steps. Gives the looks at what was kept out: with silence, then with the samples."""
        config, order = self._config, random.Random(self._config.seed)
        began = time.monotonic()
        looks = [{"step": -1, **self.look(kept_out, torch.zeros_like(self.samples))}]
        for step in track(range(config.steps), "learning", console=Console(stderr=True)):
            for group in self._optimizer.param_groups:
                group["lr"] = config.rate * (1 - step / config.steps)
            self._optimizer.zero_grad()
            for cut in order.sample(cuts, config.batch):
                torch.autograd.backward(self._loss(cut) / config.batch)
            self._optimizer.step()
            with torch.no_grad():
                self.samples.clamp_(-1, 1)
            if (step + 1) % config.look_every == 0:
                look = self.look(kept_out, self.samples.detach())
                minutes = round((time.monotonic() - began) / 60, 1)
                looks.append({"step": step + 1, "minutes": minutes, **look})
                Console(stderr=True).print(looks[-1])
        return looks

    @torch.inference_mode()
    def look(self, cuts: Sequence[Cut], behind: Tensor) -> dict[str, float]:
        """Shares, as those of `streamer.models.train.draft.train.Look`."""
        found: dict[str, list[bool]] = {"stops": [], "last_tokens": [], "whole_tokens": []}
        for cut in cuts:
            targets = torch.from_numpy(cut.targets[:, 0])
            right = self._logits(cut, behind).argmax(dim=-1) == targets
            taught = targets != IGNORED
            if not cut.is_cut:
                found["whole_tokens"] += right[taught].tolist()
                continue
            found["stops"].append(bool(right[-1]))
            near = slice(max(0, len(right) - 4), -1)
            found["last_tokens"] += right[near][taught[near]].tolist()
        return {name: round(float(np.mean(some)), 4) for name, some in found.items()}

    def _loss(self, cut: Cut) -> Tensor:
        """Cross-entropy against what the teacher thinks."""
        targets = torch.from_numpy(cut.targets).long()
        shares = torch.from_numpy(cut.shares.astype(np.float32))
        logs = functional.log_softmax(self._logits(cut, self.samples), dim=-1)
        places = -(logs.gather(-1, targets.clamp(min=0)) * shares).sum(dim=-1)
        return places.sum() / (targets[:, 0] != IGNORED).sum().clamp(min=1)

    def _logits(self, cut: Cut, behind: Tensor) -> Tensor:
        states = encoded(self._encoder, torch.cat([torch.from_numpy(cut.samples), behind]))
        heard = torch.ones(states.shape[:2], dtype=torch.bool)
        tokens = torch.from_numpy(cut.tokens).long()[None]
        logits: Tensor = self._decoder(tokens, states, heard)[0]
        return logits


def shipped_encoder(zoo: Zoo) -> EncoderTensors:
    """Its weights."""
    weights = read_shipped(*shipped_files(zoo))
    assert isinstance(weights.encoder, EncoderWeights)
    return place_encoder(weights.encoder, weights.decoder, TINY, Card("cpu"))


def encoded(weights: EncoderTensors, samples: Tensor) -> Tensor:
    """States `[1, S, D]` of a whole window, through which one can learn. As
    `streamer.models.card.encoder`, which computes them in memory set aside."""
    first = functional.conv1d(samples[None, None], weights.first, stride=64).tanh()
    inverse = (first.var(correction=0) + NORM_EPSILON).rsqrt()
    offset = weights.of_gain * (first.mean() * inverse) - weights.of_shift
    bands = functional.conv1d(first, weights.second, stride=3)
    x = functional.gelu(bands * inverse - offset[:, None])
    x = functional.gelu(functional.conv1d(x, weights.third, weights.third_bias, stride=2))
    x = x.transpose(1, 2)
    turn, n_heads = turns(torch.arange(x.shape[1])[None], TINY), TINY.encoder.n_heads
    everywhere = torch.ones(1, dtype=torch.bool)
    for attention, feed_forward in weights.layers:
        query, key, value = (layer_norm(x, attention.norm) @ attention.qkv).chunk(3, dim=-1)
        query, key = (rotated(part, turn, n_heads) for part in (query, key))
        mixed, _ = attend(query, key, value, everywhere, n_heads)
        x = feed_forward.run(x + mixed @ attention.out)
    return layer_norm(x, weights.norm)


def lessons(models: SpeechModels, data: Path, config: HushConfig) -> tuple[list[Cut], list[Cut]]:
    """Windows to learn from, and of the speakers who are kept out."""
    clips = [clip for name in TAUGHT.split(",") for clip in load_clips(name, data)]
    random.Random(config.seed).shuffle(clips)
    taught: list[Cut] = []
    kept_out: list[Cut] = []
    for index, clip in enumerate(track(clips, "hearing", console=Console(stderr=True))):
        some, most = (
            (kept_out, config.looked_at)
            if fold_of(clip.speaker) == DEV_FOLD
            else (taught, config.lessons)
        )
        if len(some) < most:
            teacher = Teacher(models, _WINDOWS, config.seed + index)
            some.extend(teacher.cuts(np.concatenate(clip.pieces()), CUTS_A_CLIP))
        elif len(taught) >= config.lessons and len(kept_out) >= config.looked_at:
            break
    return taught, kept_out


def hear(
    base: Engine, hush: Floats, recordings: Iterable[Recording], zoo: Zoo
) -> Iterator[dict[str, Heard]]:
    """Each recording by the draft and by both, with silence and with the hush behind its steps."""
    assert isinstance(base.speech, SpeechModels)
    encoder = HushedEncoder(speech_graphs(zoo, "cpu", None))
    encoder.hush = hush
    hushed = Engine(base.options, replace(base.speech, encoder=encoder), None, base.llm)
    try:
        for recording in recordings:
            tail = np.zeros(round(TAIL_S * SAMPLE_RATE), np.float32)
            spoken = np.concatenate([*recording.pieces(), tail])
            ways = {}
            for name, engine in ((PLAIN, base), (HUSHED, hushed)):
                for decoder in get_args(Decoder):
                    cpu = time.process_time()
                    heard = stream(engine, spoken, SessionOptions(decoder=decoder, emotion=False))
                    errors = word_errors(recording.text, heard.transcription.text)
                    audio_s, took_s = len(spoken) / SAMPLE_RATE, time.process_time() - cpu
                    ways[f"{name} {decoder}"] = Heard(errors, heard, audio_s, took_s)
            yield ways
    finally:
        hushed.close()


def summarize(heard: Sequence[dict[str, Heard]], seed: int) -> dict[str, Any]:
    """Figures of each way, and what the hush changes."""
    figures: dict[str, Any] = {}
    for name in heard[0]:
        some = [one[name] for one in heard]
        way = name.split()[1]
        errors = sum((one.errors for one in some), WordErrors())
        figures[name] = {
            "wer_percent": round(100 * errors.rate, 3),
            **delays_of([one.streamed for one in some if one.streamed is not None]),
            "over_plain": bootstrap(
                [one[f"{PLAIN} {way}"].errors for one in heard], [one.errors for one in some], seed
            ),
        }
    return figures


def table(looks: Sequence[dict[str, float]], results: dict[str, Any]) -> Table:
    """The summary for people."""
    shown = Table(
        title=f"A learned hush: stops right at {looks[0]['stops']:.1%} of cuts with "
        f"silence, {looks[-1]['stops']:.1%} with it"
    )
    for column in ("recordings", "way", "WER %", "committed p50/p95 ms", "shown", "changed / word"):
        shown.add_column(column)
    for group, ways in results.items():
        for name, one in ways.items():
            commit, seen = one["commit_delay_ms"], one["shown_delay_ms"]
            shown.add_row(
                group,
                name,
                f"{one['wer_percent']:.2f}",
                f"{commit['p50']:.0f} / {commit['p95']:.0f}",
                f"{seen['p50']:.0f} / {seen['p95']:.0f}",
                f"{one['changed_per_word']:.2f}",
            )
    return shown


def main(
    setup: Setup,
    clips: Annotated[int, typer.Option(min=1, help="Heard through the streaming path.")] = 120,
    steps: Annotated[int, typer.Option(min=1, help="Of learning.")] = HushConfig.steps,
    silence_ms: Annotated[
        float, typer.Option(help="Length of the hush.")
    ] = RecognizerOptions.step_silence_ms,
) -> None:
    config, zoo = HushConfig(steps=steps, seed=setup.seed), Zoo()
    models = load_speech(MOONSHINE.name, zoo, threads=setup.threads)
    assert isinstance(models, SpeechModels)
    torch.set_num_threads(setup.threads)
    learner = Hush(samples_from_ms(silence_ms), config, zoo)
    looks = learner.learn(*lessons(models, setup.data, config))
    samples: Floats = learner.samples.detach().numpy()
    options = EngineOptions(threads=setup.threads, latency="low")
    options = replace(options, recognizer=RecognizerOptions(step_silence_ms=silence_ms))
    base = Engine.load(options, zoo)
    results: dict[str, Any] = {}
    try:
        for name, some in choose(load_sets(setup.speech, setup.data), clips, setup.seed).items():
            ways = list(hear(base, samples, track(some, name, console=Console(stderr=True)), zoo))
            results[name] = summarize(ways, setup.seed)
    finally:
        base.close()
    parameters = {"clips": clips, "silence_ms": silence_ms, "learned": asdict(config)}
    write_json("research.hush", setup.out, parameters, {"looks": looks, "ways": results})
    Console(width=120).print(table(looks, results))


app = run_speech(main, HEARD)

if __name__ == "__main__":
    app()
