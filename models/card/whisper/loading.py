"""From a folder to a second listener on a card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from streamer.models.card.device import Card
from streamer.models.card.loading import slots_of
from streamer.models.card.whisper.listener import CardListener
from streamer.models.card.whisper.special import Special
from streamer.models.errors import ModelCorruptError, opening
from streamer.models.whisper.contract import ListenerOptions
from streamer.models.whisper.tokens import WhisperTokens


def load_card_listener(
    folder: Path,
    *,
    name: str,
    threads: int,
    device: str,
    n_sessions: int,
    options: ListenerOptions | None = None,
) -> CardListener:
    """Opens a Whisper of the transformers library; on a GPU in half precision.

    Args:
        folder: with `config.json`, the weights and `tokenizer.json`.
        name: what to call it.
        threads: CPU threads that one pass may use.
        device: "cpu", "cuda" or "cuda:1".
        n_sessions: that memory is set aside for.
        options: windows and limits; else the shipped ones.

    Raises:
        ModelMissingError: a file is missing.
        ModelCorruptError: it is no Whisper.
        DeviceUnavailableError: the device is not usable, or has too little memory.
    """
    card = Card(device)
    torch.set_num_threads(threads)
    with opening(name, "a Whisper"):
        kind = json.loads((folder / "config.json").read_text()).get("model_type")
        if kind != "whisper":
            raise ModelCorruptError(f"{name} is no Whisper, but of the kind {kind}")
        library_class: Any = transformers.WhisperForConditionalGeneration
        model = library_class.from_pretrained(folder, dtype=card.dtype, trust_remote_code=False)
        (folder / "tokenizer.json").stat()
    tokens = WhisperTokens(folder / "tokenizer.json")
    with card.fitting(name):
        model = model.eval().to(card.device)
    listener = CardListener(
        model, tokens, _special(model, tokens), card, slots_of(n_sessions), options
    )
    if card.is_cuda:
        listener.warm_up()
    return listener


def _special(model: Any, tokens: WhisperTokens) -> Special:
    config, generation = model.config, model.generation_config
    named: Sequence[Sequence[int]] | None = getattr(generation, "alignment_heads", None)
    # Where nothing is known, all of the upper layers, as Whisper itself does.
    layers = range(config.decoder_layers // 2, config.decoder_layers)
    upper = [(layer, head) for layer in layers for head in range(config.decoder_attention_heads)]
    multilingual = getattr(generation, "is_multilingual", None)
    return Special(
        multilingual=len(tokens.languages) > 0 if multilingual is None else multilingual,
        closed=generation.suppress_tokens or (),
        heads=[(layer, head) for layer, head in named] if named else upper,
        median_width=config.median_filter_width,
    )
