"""Reads Gemma 3 from a GGUF file.

The weights are dequantized and rounded to what bfloat16 can tell, in which Gemma was published.
Names map as in llama.cpp's `gemma3` architecture; its norm weights are stored with 1 added.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE

from streamer.audio.arrays import Floats
from streamer.models.llm.gemma_source import (
    MAX_POSITIONS,
    GemmaShape,
    GemmaSource,
    UnsupportedGemmaError,
)
from streamer.models.llm.gguf_file import GgufFile, GgufFormatError, read_gguf
from streamer.models.store.progress import Reached, part

_TOP: Final = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
}
_BLOCK: Final = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_output": "self_attn.o_proj",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_GLOBAL_EVERY: Final = 6
"""Each sixth layer sees all; the others have a window, and this rotary base:"""
_LOCAL_ROTARY_BASE: Final = 10_000.0
_CONTROL, _USER_DEFINED = 3, 4
"""Types of tokens that no text is cut into."""
_SPACE: Final = "\u2581"
_ROUNDED_AT_ONCE: Final = 1 << 20


def read_gemma(path: Path, reached: Reached = lambda _: None) -> GemmaSource:
    """Some seconds, and the memory of all weights in 32 bits.

    Args:
        reached: is told how much of that is done.

    Raises:
        GgufFormatError: not the GGUF of a Gemma 3 text model.
        UnsupportedGemmaError: one that the graphs cannot express.
    """
    file = read_gguf(path)
    bos = int(gemma_field(file, "tokenizer.ggml.bos_token_id"))
    shape, weights = gemma_shape(file), gemma_weights(file, part(reached, 0, 0.7))
    return GemmaSource(shape, bos, weights, gemma_tokenizer(file))


def gemma_weights(file: GgufFile, reached: Reached = lambda _: None) -> dict[str, Floats]:
    """
    Args:
        reached: is told how much is done.

    Raises:
        GgufFormatError: a tensor is of another model.
    """
    weights = {}
    n_bytes, done = sum(tensor.data.nbytes for tensor in file.tensors), 0
    for tensor in file.tensors:
        reached(done / n_bytes)
        done += tensor.data.nbytes
        name = _target_name(tensor.name)
        values = tensor.dequantized()
        if name.endswith("norm.weight"):
            values -= 1.0
        weights[name] = _as_bfloat16(values)
    return weights


def gemma_field(file: GgufFile, key: str) -> Any:
    """
    Raises:
        GgufFormatError: the file does not have it.
    """
    try:
        return file.fields[key]
    except KeyError:
        raise GgufFormatError(f"the GGUF file lacks {key}") from None


def gemma_shape(file: GgufFile) -> GemmaShape:
    """
    Raises:
        GgufFormatError: a setting is missing.
        UnsupportedGemmaError: the graphs cannot express it.
    """

    def value(key: str) -> Any:
        return gemma_field(file, f"gemma3.{key}")

    if value("attention.head_count_kv") != 1:
        raise UnsupportedGemmaError("only models with a single key-value head are supported")
    if value("attention.sliding_window") < MAX_POSITIONS:
        raise UnsupportedGemmaError(f"the sliding window must hold {MAX_POSITIONS} tokens")
    if any(key.endswith("softcapping") for key in file.fields):
        raise UnsupportedGemmaError("soft-capped logits are not supported")
    base, n_layers = value("rope.freq_base"), value("block_count")
    return GemmaShape(
        value("attention.head_count"),
        value("attention.key_length"),
        value("attention.layer_norm_rms_epsilon"),
        value("attention.key_length") ** -0.5,
        tuple(
            _LOCAL_ROTARY_BASE if layer % _GLOBAL_EVERY else base
            for layer in range(1, n_layers + 1)
        ),
    )


def gemma_tokenizer(file: GgufFile) -> Tokenizer:
    """Byte pairs. The file lists no merges: any two pieces that make a piece are one, and the
    piece that stands earlier is made first.

    Raises:
        GgufFormatError: the file carries no tokenizer.
    """
    spelled: Sequence[str] = gemma_field(file, "tokenizer.ggml.tokens")
    kinds = gemma_field(file, "tokenizer.ggml.token_type").tolist()
    # Runs of spaces are spelled as spaces, although texts have others by then.
    pieces = [_SPACE * len(piece) if not piece.strip(" ") else piece for piece in spelled]
    vocabulary = {piece: token for token, piece in enumerate(pieces)}
    merges = [
        (piece[:cut], piece[cut:])
        for piece in pieces
        for cut in range(len(piece) - 1, 0, -1)
        if piece[:cut] in vocabulary and piece[cut:] in vocabulary
    ]
    unknown = pieces[gemma_field(file, "tokenizer.ggml.unknown_token_id")]
    tokenizer = Tokenizer(
        BPE(vocabulary, merges, unk_token=unknown, fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Replace(" ", _SPACE)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    bos = gemma_field(file, "tokenizer.ggml.bos_token_id")
    tokenizer.post_processor = processors.TemplateProcessing(
        f"{pieces[bos]} $A", f"{pieces[bos]} $A {pieces[bos]}:1 $B:1", [(pieces[bos], bos)]
    )
    tokenizer.add_tokens(
        [
            AddedToken(piece, normalized=False, special=kind == _CONTROL)
            for piece, kind in zip(spelled, kinds, strict=True)
            if kind in (_CONTROL, _USER_DEFINED) and piece in vocabulary
        ]
    )
    return tokenizer


def _target_name(name: str) -> str:
    if name in _TOP:
        return _TOP[name]
    try:
        _, layer, part, _ = name.split(".")
        return f"model.layers.{int(layer)}.{_BLOCK[part]}.weight"
    except (ValueError, KeyError):
        raise GgufFormatError(f"unexpected tensor {name!r} in the GGUF file") from None


def _as_bfloat16(values: Floats) -> Floats:
    """Rounds in place to the nearest, of two to the even one, as processors do."""
    bits = values.reshape(-1).view(np.uint32)
    for at in range(0, len(bits), _ROUNDED_AT_ONCE):
        some = bits[at : at + _ROUNDED_AT_ONCE]
        some += 0x7FFF + ((some >> 16) & 1)
        some &= 0xFFFF0000
    return values
