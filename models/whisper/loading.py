"""From the name a person gives to the second listener behind it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from streamer.models.devices import cuda_index
from streamer.models.errors import ModelCorruptError, ModelMissingError
from streamer.models.onnx.runtime import DeviceUnavailableError, calm_openmp
from streamer.models.store.hub import Weights
from streamer.models.store.progress import Reached
from streamer.models.store.zoo import Zoo
from streamer.models.whisper.contract import ListenerOptions
from streamer.models.whisper.judge import Judge
from streamer.models.whisper.judge_graph import CONFIG_FILE, WEIGHTS_FILE, build_judge
from streamer.models.whisper.listener import WhisperListener
from streamer.models.whisper.tokens import WhisperTokens

_FILES: Final = (CONFIG_FILE, WEIGHTS_FILE, "tokenizer.json")
_JUDGE_FILE: Final = "judge.onnx"
_FOLDER_VERSION: Final = "2"


def load_listener(
    name: str,
    zoo: Zoo,
    *,
    threads: int,
    device: str = "cpu",
    options: ListenerOptions | None = None,
) -> WhisperListener:
    """Opens a second listener; in 8 bits, on a GPU in half precision.

    Args:
        name: `whisper-base` or `whisper-tiny-en` for those that the project knows, which are put
            into the cache the first time; a folder with any Whisper for CTranslate2; or
            `hub:owner/repository@commit` for the same.
        zoo: where the project's own are found.
        threads: CPU threads that one pass may use.
        device: "cpu", "cuda" or "cuda:1".
        options: windows and limits; else the shipped ones.

    Raises:
        ModelError: it is missing, cannot be fetched, or is no Whisper for CTranslate2.
        DeviceUnavailableError: the device is not usable.
    """
    folder = listener_folder(name, zoo)
    missing = [file for file in _FILES if not (folder / file).is_file()]
    if missing:
        raise ModelMissingError(f"the model {name} is not complete (it has no {missing[0]})")
    tokens = WhisperTokens(folder / "tokenizer.json")
    # Its threads would spin between passes as torch's do.
    calm_openmp()
    import ctranslate2

    card = cuda_index(device)
    if card is not None and ctranslate2.get_cuda_device_count() <= card:
        raise DeviceUnavailableError(f"no CUDA device was found ({device}); use --device cpu")
    try:
        model = ctranslate2.models.Whisper(
            str(folder),
            device="cpu" if card is None else "cuda",
            device_index=card or 0,
            compute_type="int8" if card is None else "float16",
            inter_threads=1,
            intra_threads=threads,
        )
        judge = _judge(folder, threads=threads, device=device)
        listener = WhisperListener(model, judge, tokens, options)
        if card is not None:
            # Its libraries are opened by the first pass.
            listener.language([np.zeros(0, np.float32)])
    except (RuntimeError, ValueError) as error:
        if any(word in str(error) for word in ("CUDA", "libcu")):
            raise DeviceUnavailableError(
                f"CTranslate2 cannot use the GPU ({error}); use --device cpu"
            ) from error
        raise ModelCorruptError(f"{name} is no Whisper for CTranslate2 ({error})") from error
    return listener


def listener_folder(name: str, zoo: Zoo) -> Path:
    """The folder of a listener; of one that the project knows in the cache, where its files are
    gathered the first time, as CTranslate2 wants them all in one.

    Raises:
        ModelError: a file is missing or damaged, or the cache cannot be written.
    """
    entry = next((entry for entry in zoo.list() if entry.name == name), None)
    if entry is None or not entry.kind.startswith("second listener"):
        return zoo.folder(name, Weights.CTRANSLATE2)

    def gather(target: Path, reached: Reached) -> None:
        for number, file in enumerate(entry.files):
            reached(number / len(entry.files))
            zoo.join(name, file.name, target / file.name)
        build_judge(target, target / _JUDGE_FILE)

    return zoo.derived(name, gather, _FOLDER_VERSION)


def _judge(folder: Path, *, threads: int, device: str) -> Judge:
    """The graph that lies in the folder is for CPUs; any other is built in passing."""
    graph = folder / _JUDGE_FILE
    if graph.is_file() and device == "cpu":
        return Judge(folder, graph, threads=threads)
    with tempfile.TemporaryDirectory() as made:
        graph = Path(made) / _JUDGE_FILE
        build_judge(folder, graph, integer=device == "cpu")
        return Judge(folder, graph, threads=threads, device=device)
