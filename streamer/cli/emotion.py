"""`streamer emotion`: the emotion of whole clips."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from streamer.cli.failures import complain, fail
from streamer.cli.options import DeviceOption, EmotionModelOption, JsonOption
from streamer.models.errors import ModelError
from streamer.models.store.catalog import EMOTION


def emotion(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES...",
            help="Sound or film of any format: files, folders of them, - for standard input.",
        ),
    ],
    as_json: JsonOption = False,
    device: DeviceOption = "cpu",
    emotion_model: EmotionModelOption = EMOTION.name,
) -> None:
    """Tell the emotion in which each recording was said, as a whole; `unknown` when unsure.

    A file that cannot be used is reported and the others are still done; the exit code tells.
    """
    from streamer.audio.files import AudioFileError, read_samples
    from streamer.cli.input.recordings import inputs
    from streamer.models.emotion.loading import load_emotion_model
    from streamer.models.emotion.track import TrackOptions, shown_label
    from streamer.models.onnx.runtime import DeviceUnavailableError
    from streamer.models.store.zoo import Zoo

    recordings = inputs(files)
    try:
        classifier = load_emotion_model(emotion_model, Zoo(), device=device)
    except (ModelError, DeviceUnavailableError) as error:
        fail(str(error))
    options = TrackOptions(shown_from_of=classifier.shown_from)
    failed = 0
    for heard in recordings:
        try:
            samples = read_samples(heard.source)
        except AudioFileError as error:
            complain(str(error))
            failed += 1
            continue
        try:
            scores = classifier.classify_clip(samples)
        except ValueError as error:
            complain(f"{heard.name}: {error}")
            failed += 1
            continue
        probs = {label: round(float(p), 4) for label, p in scores.probs.items()}
        label = shown_label(scores.probs, options)
        if as_json:
            line = {"file": heard.name, "label": label, "probs": probs}
            typer.echo(json.dumps(line, ensure_ascii=False))
        else:
            ranked = sorted(probs.items(), key=lambda item: -item[1])
            shown = "  ".join(f"{name} {p:.0%}" for name, p in ranked)
            typer.echo(f"{heard.name}: {label}  ({shown})")
    if failed:
        raise typer.Exit(1)
