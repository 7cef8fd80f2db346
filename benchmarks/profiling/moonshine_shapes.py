"""What a second of audio costs with each Moonshine, by its shape.

The weights are random, in the true shapes: what such a model says is noise, but what it costs does
not depend on that. The shipped model says what there is to say, and each shape goes through the
same passes beside it: steps of 256 ms, the same tokens behind the same words. CPU time is that of
one thread, with 8-bit products. With `--compare` the graphs in float32 and the transformers library
decode the same sound with the same weights: whether token for token the same.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import numpy as np
import torch
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
    write_json,
    write_result,
)
from benchmarks.profiling.beside import measure
from benchmarks.profiling.random_moonshine import shapes, write_random
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.decoding.draft import DraftRequest, Prefix, draft_together
from streamer.decoding.loading import VAD_FILE, load_moonshine, load_speech
from streamer.decoding.speech import SpeechModels
from streamer.models.moonshine.config import WINDOW_SAMPLES
from streamer.models.moonshine.encoder import MIN_SAMPLES
from streamer.models.moonshine.tokenizer import EOS, FRAME_SAMPLES
from streamer.models.silero import VadModel
from streamer.models.store.catalog import MOONSHINE, SILERO
from streamer.models.store.zoo import Zoo

TOKENS: Final = 24
"""That are compared with the library's."""


def same_tokens(ours: SpeechModels, theirs: Any, samples: Floats) -> bool:
    """Whether graphs in float32 say what the library says."""
    stream = ours.encoder.open_stream()
    ours.encoder.listen(stream, samples)
    audio = ours.encoder.audio(stream)
    assert audio is not None
    (draft,) = draft_together(ours.decoder, [DraftRequest(audio, Prefix(), (), TOKENS)])
    inputs = torch.from_numpy(samples)[None]
    with torch.inference_mode():
        made = theirs.generate(
            inputs,
            attention_mask=torch.ones_like(inputs, dtype=torch.int64),
            do_sample=False,
            max_new_tokens=TOKENS,
        )
    found = [int(token) for token in made[0][1:] if token != EOS]
    return found == [token.id for token in draft.tokens]


def main(
    speech: SpeechOption = "bundled",
    data: DataOption = Path("data"),
    clips: Annotated[int, typer.Option(min=1, help="Clips to hear.")] = 6,
    compare: Annotated[
        bool, typer.Option("--compare/--no-compare", help="Also with the transformers library.")
    ] = True,
    seed: SeedOption = 0,
    out: OutOption = RESULTS,
) -> None:
    chosen = choose(load_sets(speech, data), clips, seed)
    recordings = [np.concatenate(r.pieces()) for some in chosen.values() for r in some]
    audio_s = sum(map(len, recordings)) / SAMPLE_RATE
    torch.set_num_threads(1)
    zoo = Zoo()
    vad = VadModel(zoo.path(SILERO.name, VAD_FILE))
    said = load_speech(MOONSHINE.name, zoo, threads=1)
    assert isinstance(said, SpeechModels)
    parameters = {
        "sets": sorted(chosen),
        "clips": len(recordings),
        "audio_s": round(audio_s, 1),
        "seed": seed,
        "notes": ["random weights of the true shapes", "words and passes of the shipped model"],
    }
    results: dict[str, Any] = {}
    for name, config in track(shapes().items(), "measuring", console=Console(stderr=True)):
        with TemporaryDirectory() as temporary:
            folder, cache = Path(temporary, "model"), Zoo(Path(temporary, "cache"))
            theirs = write_random(config, folder, seed)
            row: dict[str, Any] = {"weights_m": round(_n_weights(theirs) / 1e6, 1)}
            if compare:
                compared = _compared(recordings[0], windowed="streaming" in name)
                exact = load_moonshine(folder, name, cache, vad, integer=False)
                row["tokens_as_the_library"] = same_tokens(exact, theirs, compared)
                del exact
            del theirs
            began = time.thread_time()
            beside = load_moonshine(folder, name, cache, vad)
            row["converted_cpu_s"] = round(time.thread_time() - began, 1)
            spent, _ = measure(said, beside, recordings)
        for part, cpu_s in (("encoder", spent.encoder), ("decoder", spent.decoder)):
            row[f"{part}_cpu_ms_per_audio_s"] = round(1000 * cpu_s / audio_s, 1)
        row["cpu_ms_per_audio_s"] = round(1000 * (spent.encoder + spent.decoder) / audio_s, 1)
        row["decoder_passes_per_audio_s"] = round(spent.n_passes / audio_s, 1)
        results[name] = row
        write_json("profiling.moonshine_shapes", out, parameters, results)
    picture = figure(7, 4)
    axes = picture.subplots()
    bottom = np.zeros(len(results))
    for part in ("encoder", "decoder"):
        values = [row[f"{part}_cpu_ms_per_audio_s"] for row in results.values()]
        axes.bar(list(results), values, bottom=bottom, label=part)
        bottom += values
    axes.legend(frameon=False)
    style(axes, "Steps of 256 ms, 8 bits, one thread", "", "CPU ms per second of audio")
    write_result("profiling.moonshine_shapes", out, parameters, results, picture)
    Console(width=100).print(_table(results))


def _n_weights(model: Any) -> int:
    return sum(each.numel() for each in model.parameters())


def _compared(samples: Floats, *, windowed: bool) -> Floats:
    """Eight seconds at most, of whole frames, for what is left over counts in a group norm."""
    n_frames = min(len(samples) - MIN_SAMPLES, 8 * SAMPLE_RATE) // FRAME_SAMPLES
    whole = samples[: MIN_SAMPLES + n_frames * FRAME_SAMPLES]
    return whole[: len(whole) // WINDOW_SAMPLES * WINDOW_SAMPLES] if windowed else whole


def _table(results: dict[str, Any]) -> Table:
    shown = Table(title="Moonshine by shape")
    columns = list(dict.fromkeys(key for row in results.values() for key in row))
    for column in ("model", *columns):
        shown.add_column(column.replace("_", " "), justify="left" if column == "model" else "right")
    for name, row in results.items():
        shown.add_row(name, *(str(row[column]) for column in columns))
    return shown


app = run(main)

if __name__ == "__main__":
    app()
