"""Tokenizers of the transformers library as the tokenizer that words are made with."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from streamer.models.moonshine.tokenizer import WORD_MARK, Tokenizer


def spoken_tokenizer(tokenizer: Any) -> Tokenizer:
    """The same tokens, by id; those that control the model stand for nothing.

    Args:
        tokenizer: a fast one; byte-level pieces and SentencePiece's are understood.
    """
    control = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    decoder = json.loads(tokenizer.backend_tokenizer.to_str())["decoder"]
    byte_level = "ByteLevel" in json.dumps(decoder)
    as_byte = {char: byte for byte, char in _byte_chars().items()}
    pieces = []
    for token in range(len(tokenizer)):
        name = tokenizer.convert_ids_to_tokens(token)
        if token in control or name is None:
            pieces.append(b"")
        elif byte_level:
            raw = bytes(as_byte[char] for char in name if char in as_byte)
            pieces.append(WORD_MARK.encode() + raw[1:] if raw.startswith(b" ") else raw)
        else:
            pieces.append(name.encode())
    return Tokenizer(pieces)


def textless(tokenizer: Tokenizer, n_tokens: int) -> npt.NDArray[np.bool_]:
    """Which of a model's tokens `[n_tokens]` stand for no text: a model has more of them than its
    tokenizer, at times."""
    found = np.ones(n_tokens, np.bool_)
    for token in range(min(n_tokens, len(tokenizer))):
        found[token] = not tokenizer.decode([token]) and not tokenizer.starts_word(token)
    return found


def _byte_chars() -> dict[int, str]:
    """The visible character that stands for each byte in byte-level vocabularies (GPT-2's):
    printable ones for themselves, the others for characters from 256 on, in order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    chars = {byte: chr(byte) for byte in printable}
    return chars | {byte: chr(256 + place) for place, byte in enumerate(others)}
