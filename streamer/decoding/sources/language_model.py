"""From the name a person gives to the LLM behind it, whatever runs it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from streamer.models.llm.contract import LanguageModel
from streamer.models.llm.loading import load_llm
from streamer.models.llm.scorer import LlmScorer
from streamer.models.store.zoo import Zoo


def load_any_llm(
    name: str,
    zoo: Zoo,
    lora: Path | None = None,
    threads: int = 1,
    device: str = "cpu",
    n_sessions: int = 1,
    batched: bool = False,
) -> LlmScorer:
    """As `load_llm`.

    Args:
        n_sessions: that a batched one has memory for.
        batched: a model of the transformers library scores for several sessions in a pass, as on a
            card.
    """
    open_folder = partial(_open_batched, n_sessions=n_sessions) if batched else None
    return load_llm(name, zoo, threads=threads, device=device, lora=lora, open_folder=open_folder)


def _open_batched(folder: Path, *, threads: int, device: str, n_sessions: int) -> LanguageModel:
    # Imports PyTorch and transformers.
    from streamer.models.card.llm.loading import load_card_llm

    return load_card_llm(folder, threads=threads, device=device, n_sessions=n_sessions)
