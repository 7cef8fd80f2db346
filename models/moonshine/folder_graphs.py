"""The graphs of any Moonshine, of what the transformers library saves."""

from __future__ import annotations

from pathlib import Path

from streamer.models.moonshine.encoder_weights import WindowedEncoderWeights
from streamer.models.moonshine.graph import build_all
from streamer.models.moonshine.weights import read_folder
from streamer.models.moonshine.windowed_graph import build_windowed


def build_folder_graphs(source: Path, name: str, folder: Path, *, integer: bool) -> None:
    """Build the graphs of the model in `source` into `folder`.

    Args:
        name, integer: as of `read_folder`.

    Raises:
        ModelMissingError: a file is missing.
        ModelCorruptError: it is no Moonshine, or the weights do not fit its `config.json`.
    """
    read = read_folder(source, name, integer=integer)
    encoder, decoder, config = read.encoder, read.decoder, read.config
    if isinstance(encoder, WindowedEncoderWeights):
        build_windowed(encoder, decoder, folder, config, integer=integer)
    else:
        build_all(encoder, decoder, folder, config, integer=integer)
