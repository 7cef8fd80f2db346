"""From the name a person gives to the second listener behind it, whatever runs it."""

from __future__ import annotations

from pathlib import Path

from streamer.models.errors import ModelMissingError, require_torch
from streamer.models.onnx.runtime import calm_openmp
from streamer.models.store.hub import Weights
from streamer.models.store.zoo import HUB_PREFIX, Zoo
from streamer.models.whisper.contract import SecondListener
from streamer.models.whisper.loading import load_listener


def load_second_listener(
    name: str, zoo: Zoo, *, threads: int, device: str = "cpu", n_sessions: int = 1
) -> SecondListener:
    """
    Args:
        name: as of `load_listener`; or a folder, or `hub:owner/repository@commit`, with a Whisper
            of the transformers library, which PyTorch runs, batched over sessions.
        zoo: where the project's own are found.
        threads: CPU threads that one pass may use.
        device: "cpu", "cuda" or "cuda:1".
        n_sessions: that such a listener has memory for.

    Raises:
        ModelError: it is missing, cannot be fetched, or is no Whisper.
        DeviceUnavailableError: the device is not usable.
    """
    folder = _of_the_library(name, zoo)
    if folder is None:
        return load_listener(name, zoo, threads=threads, device=device)
    require_torch(name)
    # Seconds of imports, only for those who use such models.
    calm_openmp()
    from streamer.models.card.whisper.loading import load_card_listener

    return load_card_listener(
        folder, name=name, threads=threads, device=device, n_sessions=n_sessions
    )


def _of_the_library(name: str, zoo: Zoo) -> Path | None:
    """The folder, if its weights are in the library's form and not in CTranslate2's too."""
    if name.startswith(HUB_PREFIX):
        try:
            zoo.folder(name, Weights.CTRANSLATE2)
        except ModelMissingError:
            return zoo.folder(name)
        return None
    folder = Path(name)
    has_both = (folder / Weights.CTRANSLATE2.value).is_file()
    return folder if any(folder.glob(Weights.SAFETENSORS.value)) and not has_both else None
