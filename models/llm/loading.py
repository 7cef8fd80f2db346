"""From the name a person gives to the language model behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tokenizers import Tokenizer

from streamer.models.errors import ModelMissingError, require_torch
from streamer.models.llm.contract import LanguageModel
from streamer.models.llm.gemma import BODY_FILE, GRAPH_VERSION, Gemma
from streamer.models.llm.scorer import LlmScorer
from streamer.models.onnx.lora import LoraMismatchError, merge_lora
from streamer.models.onnx.runtime import calm_openmp
from streamer.models.store.catalog import GEMMA
from streamer.models.store.checksum import sha256_of
from streamer.models.store.progress import Reached, part
from streamer.models.store.zoo import Zoo

GEMMA_FILE: Final = GEMMA.files[0].name

OpenFolder = Callable[..., LanguageModel]
"""`open_folder(folder, threads=…, device=…)`: a model of the transformers library."""


def load_llm(
    name: str,
    zoo: Zoo,
    *,
    threads: int,
    device: str = "cpu",
    lora: Path | None = None,
    open_folder: OpenFolder | None = None,
) -> LlmScorer:
    """Opens a language model.

    Args:
        name: `gemma-3-270m` for the project's own, which is converted into the cache the first
            time (some seconds); a folder, with its graphs or any causal language model of the
            transformers library; or `hub:owner/repository@commit` for the latter.
        zoo: where the project's own is found.
        threads: CPU threads that one pass may use.
        device: "cpu" or "cuda".
        lora: updates of the project's own (see `lora`); with them it is another model, and
            is converted again.
        open_folder: see `open_llm`.

    Raises:
        ModelError: it is missing, cannot be fetched, is no language model, or is
            not the one that the updates were trained for.
        DeviceUnavailableError: the device is not usable.
    """
    if name != GEMMA.name:
        if lora is not None:
            raise LoraMismatchError(
                f"the updates in {lora.parent} are for {GEMMA.name}, not {name}"
            )
        folder = zoo.folder(name)
    else:
        folder = gemma_graphs(zoo, lora)
    return open_llm(folder, threads=threads, device=device, open_folder=open_folder)


def gemma_graphs(zoo: Zoo, lora: Path | None = None) -> Path:
    """The project's own language model as graphs in the cache, which are built the first time.

    Raises:
        ModelError: a file is missing or damaged, or the cache cannot be written.
    """
    version = GRAPH_VERSION if lora is None else f"{GRAPH_VERSION} {sha256_of([lora])}"
    return zoo.derived(
        GEMMA.name, lambda to, reached: _build_gemma(zoo, to, lora, reached), version
    )


def open_llm(
    folder: Path, *, threads: int, device: str = "cpu", open_folder: OpenFolder | None = None
) -> LlmScorer:
    """Open the model in `folder`: graphs of `gemma_graph`, or any causal language model
    in transformers' format; `tokenizer.json` in either case.

    Args:
        open_folder: runs the latter. None: PyTorch does, sessions one after the other.

    Raises:
        ModelError: a file is missing, or it is no causal language model.
        DeviceUnavailableError: the device is not usable.
    """
    tokenizer = folder / "tokenizer.json"
    if not tokenizer.is_file():
        raise ModelMissingError(f"the model {folder} is not complete (it has no {tokenizer.name})")
    model: LanguageModel
    if (folder / BODY_FILE).is_file():
        model = Gemma(folder, threads=threads, device=device)
    else:
        require_torch(str(folder))
        # Those two take seconds to import: only for those who use them.
        calm_openmp()
        model = (open_folder or _one_by_one)(folder, threads=threads, device=device)
    return LlmScorer(model, Tokenizer.from_file(str(tokenizer)))


def _one_by_one(folder: Path, *, threads: int, device: str) -> LanguageModel:
    from streamer.models.llm.transformers_model import TransformersModel, read_model

    return TransformersModel(read_model(folder, threads=threads, device=device))


def _build_gemma(zoo: Zoo, folder: Path, lora: Path | None, reached: Reached) -> None:
    # What reads GGUF and writes graphs is not needed once they are there.
    from streamer.models.llm.gemma_gguf import read_gemma
    from streamer.models.llm.gemma_graph import build_graphs

    with TemporaryDirectory(dir=zoo.cache_dir) as scratch:
        packed = Path(scratch) / GEMMA_FILE
        zoo.join(GEMMA.name, GEMMA_FILE, packed)
        source = read_gemma(packed, part(reached, 0.05, 0.5))
    if lora is not None:
        source = replace(source, weights=merge_lora(source.weights, lora))
    build_graphs(source, folder, part(reached, 0.5, 1))
