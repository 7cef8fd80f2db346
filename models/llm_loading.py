"""From the name a person gives to the language model behind it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from models.catalog import GEMMA
from models.checksum import sha256_of
from models.gemma import GRAPH_VERSION
from models.llm import LlmScorer, open_llm
from models.lora import LoraMismatchError, merge_lora
from models.zoo import Zoo

GEMMA_FILE: Final = GEMMA.files[0].name


def load_llm(
    name: str,
    zoo: Zoo,
    *,
    threads: int,
    device: str = "cpu",
    lora: Path | None = None,
    say: Callable[[str], None],
) -> LlmScorer:
    """Opens a language model.

    Args:
        name: `gemma-3-270m` for the project's own, which is converted into the cache the first
            time (a minute); a folder, with its graphs or any causal language model of the
            transformers library; or `hub:owner/repository` for the latter.
        zoo: where the project's own is found.
        threads: CPU threads that one pass may use.
        device: "cpu" or "cuda".
        lora: updates of the project's own (see `models.lora`); with them it is another model, and
            is converted again.
        say: is told what takes long.

    Raises:
        models.errors.ModelError: it is missing, cannot be fetched, is no language model, or is
            not the one that the updates were trained for.
        models.runtime.DeviceUnavailableError: the device is not usable.
    """
    if name != GEMMA.name:
        if lora is not None:
            raise LoraMismatchError(
                f"the updates in {lora.parent} are for {GEMMA.name}, not {name}"
            )
        folder = zoo.folder(name)
    else:
        version = GRAPH_VERSION if lora is None else f"{GRAPH_VERSION} {sha256_of([lora])}"
        folder = zoo.derived(name, lambda to: _build_gemma(zoo, to, lora, say), version)
    say("loading the LLM")
    return open_llm(folder, threads=threads, device=device)


def _build_gemma(zoo: Zoo, folder: Path, lora: Path | None, say: Callable[[str], None]) -> None:
    say("converting the LLM into the cache (once, about a minute)")
    # Its imports drag torch and transformers in: only when the graphs are not there yet.
    from models.gemma_gguf import convert
    from models.gemma_graph import build_graphs

    with TemporaryDirectory(dir=zoo.cache_dir) as scratch:
        source = Path(scratch) / GEMMA_FILE
        zoo.join(GEMMA.name, GEMMA_FILE, source)
        convert(source, Path(scratch))
        if lora is not None:
            merge_lora(Path(scratch), lora)
        build_graphs(Path(scratch), folder)
