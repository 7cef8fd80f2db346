"""Whether the rebuilt speech graphs say what the shipped ones say, and what both cost.

Each clip is encoded and decoded greedily as a whole: by the shipped graphs, by the rebuilt ones
in 8 bits as they serve, by the rebuilt ones in float32 with the same weights, which tells how much
of a difference is rounding, and by those in 8 bits whose weights were rounded once more, as those
of a model from a folder are. CPU time is of one thread, in turns.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common import (
    RESULTS,
    DataOption,
    OutOption,
    SeedOption,
    SpeechOption,
    choose,
    figure,
    load_sets,
    run,
    style,
    write_result,
)
from benchmarks.quality.offline import token_budget
from benchmarks.quality.shipped_moonshine import ShippedMoonshine
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.decoding.draft import DraftRequest, Prefix, draft_together
from streamer.models.moonshine import tokenizer as moonshine
from streamer.models.moonshine.config import TINY
from streamer.models.moonshine.decoder import DraftDecoder
from streamer.models.moonshine.decoder_weights import DecoderWeights, Product
from streamer.models.moonshine.encoder import AsrEncoder
from streamer.models.moonshine.encoder_weights import EncoderWeights
from streamer.models.moonshine.graph import build_all, build_graphs
from streamer.models.onnx.graph_builder import quantized
from streamer.models.onnx.ort_file import ShippedGraph
from streamer.models.store.zoo import Zoo
from streamer.recognition.engine import ASR_MODEL
from streamer.transcript.wer import WordErrors, word_errors


class Rebuilt:
    """Graphs of `streamer.models.moonshine.graph`."""

    def __init__(self, folder: Path) -> None:
        self._encoder, self._decoder = AsrEncoder(folder), DraftDecoder(folder)

    def hear(self, samples: Floats, max_tokens: int) -> tuple[Floats, list[int]]:
        audio = self._encoder.encode(samples)
        (draft,) = draft_together(self._decoder, [DraftRequest(audio, Prefix(), (), max_tokens)])
        return audio.states, [token.id for token in draft.tokens]


class Shipped:
    def __init__(self, model: ShippedMoonshine) -> None:
        self._model = model

    def hear(self, samples: Floats, max_tokens: int) -> tuple[Floats, list[int]]:
        states = self._model.encode(samples)
        return states[0], self._model.decode(states, len(samples), max_tokens)


def main(
    speech: SpeechOption = "bundled",
    data: DataOption = Path("data"),
    clips: Annotated[int, typer.Option(min=1, help="Clips to hear.")] = 200,
    seed: SeedOption = 0,
    out: OutOption = RESULTS,
) -> None:
    recordings = [r for some in choose(load_sets(speech, data), clips, seed).values() for r in some]
    zoo = Zoo()
    files = [
        zoo.path(ASR_MODEL, name) for name in ("encoder_model.ort", "decoder_model_merged.ort")
    ]
    tokenizer = moonshine.Tokenizer.read(zoo.path(ASR_MODEL, "tokenizer.bin"))
    with TemporaryDirectory() as temporary:
        folders = {
            name: Path(temporary, name) for name in ("rebuilt", "in float32", "rounded again")
        }
        for name, folder in folders.items():
            folder.mkdir()
            if name == "rounded again":
                _build_rounded(files[0], files[1], folder)
            else:
                build_graphs(files[0], files[1], folder, integer=name == "rebuilt")
        models: dict[str, Shipped | Rebuilt] = {"shipped": Shipped(ShippedMoonshine(*files))}
        models |= {name: Rebuilt(folder) for name, folder in folders.items()}
        results = compare(models, recordings, tokenizer)
    picture = figure(6, 4)
    axes = picture.subplots()
    axes.bar(list(models), [results[name]["cpu_ms_per_audio_s"] for name in models])
    style(axes, "Whole clips, greedy, one thread", "", "CPU ms per second of audio")
    parameters = {
        "sets": sorted({recording.set_name for recording in recordings}),
        "clips": len(recordings),
        "seed": seed,
    }
    write_result("quality.graphs", out, parameters, results, picture)
    Console(width=100).print(_table(results))


def _build_rounded(encoder: Path, decoder: Path, folder: Path) -> None:
    heard = EncoderWeights.read(ShippedGraph(encoder))
    layers = replace(heard.layers, products=_rounded(heard.layers.products))
    said = DecoderWeights.read(ShippedGraph(decoder))
    table = quantized(said.embedding.values())
    said = replace(said, products=_rounded(said.products), embedding=table)
    build_all(replace(heard, layers=layers), said, folder, TINY, integer=True)


def _rounded(products: Mapping[str, Product]) -> dict[str, Product]:
    """With a scale for each column, where there was one for all."""
    return {
        name: replace(product, weight=quantized(product.weight.values()))
        for name, product in products.items()
    }


def compare(
    models: dict[str, Any], recordings: list[Any], tokenizer: moonshine.Tokenizer
) -> dict[str, Any]:
    """For each model its errors and cost, and how far it is from the shipped one."""
    errors = dict.fromkeys(models, WordErrors())
    cpu_s = dict.fromkeys(models, 0.0)
    same_tokens = dict.fromkeys(models, 0)
    words_apart = dict.fromkeys(models, WordErrors())
    states_apart: dict[str, list[float]] = {name: [] for name in models}
    audio_s = 0.0
    for recording in track(recordings, "hearing", console=Console(stderr=True)):
        samples = np.concatenate(recording.pieces())
        audio_s += len(samples) / SAMPLE_RATE
        budget = token_budget(samples)
        heard: dict[str, tuple[Floats, list[int]]] = {}
        for name, model in models.items():
            began = time.thread_time()
            heard[name] = model.hear(samples, budget)
            cpu_s[name] += time.thread_time() - began
        states, tokens = heard["shipped"]
        for name, (found, said) in heard.items():
            text = tokenizer.decode(said)
            errors[name] += word_errors(recording.text, text)
            words_apart[name] += word_errors(tokenizer.decode(tokens), text)
            same_tokens[name] += said == tokens
            states_apart[name].append(float(np.abs(found - states).mean() / np.abs(states).mean()))
    return {
        name: {
            "wer_percent": round(100 * errors[name].rate, 3),
            "same_tokens_percent": round(100 * same_tokens[name] / len(recordings), 2),
            "words_apart_percent": round(100 * words_apart[name].rate, 3),
            "states_apart": round(float(np.mean(states_apart[name])), 4),
            "cpu_ms_per_audio_s": round(1000 * cpu_s[name] / audio_s, 2),
        }
        for name in models
    }


def _table(results: dict[str, Any]) -> Table:
    shown = Table(title="Speech graphs against the shipped ones")
    for column in ("graphs", "WER %", "same tokens %", "words apart %", "states apart", "CPU ms/s"):
        shown.add_column(column, justify="left" if column == "graphs" else "right")
    for name, row in results.items():
        shown.add_row(name, *(str(value) for value in row.values()))
    return shown


app = run(main)

if __name__ == "__main__":
    app()
