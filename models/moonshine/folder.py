"""The folder of any Moonshine, as the transformers library saves it, but for its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer as TokenizerFile

from streamer.audio.clock import SAMPLE_RATE
from streamer.models.errors import ModelCorruptError, ModelMissingError
from streamer.models.moonshine.tokenizer import WORD_MARK, Tokenizer

TOKENIZER_FILE: Final = "tokenizer.json"
PREPROCESSOR_FILE: Final = "preprocessor_config.json"


def weight_files(folder: Path) -> list[Path]:
    """
    Raises:
        ModelMissingError: there are none.
    """
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise ModelMissingError(f"the model {folder} is not complete (it has no *.safetensors)")
    return found


def check_sound(folder: Path, name: str) -> None:
    """Whether the model wants to hear what it is given.

    Raises:
        ModelCorruptError: it hears another sampling rate, or whole recordings made equally loud.
    """
    path = folder / PREPROCESSOR_FILE
    if not path.is_file():
        return
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        rate, normalized = values.get("sampling_rate", SAMPLE_RATE), values.get("do_normalize")
    except (OSError, ValueError, AttributeError) as error:
        raise ModelCorruptError(f"{path} is not JSON") from error
    if rate != SAMPLE_RATE:
        raise ModelCorruptError(f"{name} hears {rate} Hz; {SAMPLE_RATE} Hz is needed")
    if normalized:
        raise ModelCorruptError(f"{name} wants its sound normalized, which a stream cannot be")


def read_tokenizer(folder: Path, n_tokens: int) -> Tokenizer:
    """
    Args:
        n_tokens: of the model; more than the tokenizer has stand for nothing.

    Raises:
        ModelMissingError: there is no tokenizer.
        ModelCorruptError: it is not SentencePiece's.
    """
    path = folder / TOKENIZER_FILE
    if not path.is_file():
        raise ModelMissingError(f"the model {folder} is not complete (it has no {path.name})")
    try:
        tokenizer = TokenizerFile.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise ModelCorruptError(f"{path} is no tokenizer") from error
    control = tokenizer.get_added_tokens_decoder()
    names = ["" if i in control else tokenizer.id_to_token(i) or "" for i in range(n_tokens)]
    if not any(name.startswith(WORD_MARK) for name in names):
        raise ModelCorruptError(f"{path} is no tokenizer of Moonshine's kind")
    return Tokenizer([name.encode() for name in names])
