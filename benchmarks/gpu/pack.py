"""Gathers what `benchmarks.gpu.card` needs beside the repository: speech weights as they are
shipped, the bundled minute, and the words that a CPU finds in it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer

from benchmarks.common import run
from benchmarks.gpu.sessions import Models, hear_all, load_models
from streamer.audio.files import read_samples
from streamer.client.bundled import bundled_speech
from streamer.models.store.catalog import MOONSHINE
from streamer.models.store.zoo import Zoo

SPEECH_FILE: Final = "speech.npz"
EXPECTED_FILE: Final = "expected.json"


def main(
    out: Annotated[Path, typer.Option(help="The folder; made if it is not there.")] = Path(
        "gpu-pack"
    ),
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    zoo = Zoo()
    for file in MOONSHINE.files:
        shutil.copyfile(zoo.path(MOONSHINE.name, file.name), out / file.name)
    clips = {clip.path.stem: read_samples(clip.path) for clip in bundled_speech()}
    codes = {name: np.round(32_767 * clip).astype(np.int16) for name, clip in clips.items()}
    np.savez(out / SPEECH_FILE, **codes)  # type: ignore[arg-type]
    models: Models = load_models(out, "cpu", n_sessions=len(clips))
    found = hear_all(models, list(codes.values()))
    (out / EXPECTED_FILE).write_text(json.dumps(dict(zip(codes, found, strict=True)), indent=1))
    size = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    typer.echo(f"{out}: {size:.1f} MB")


app = run(main)

if __name__ == "__main__":
    app()
