"""Moonshine tiny's dimensions, the files of a model's graphs, and the tokenizer.

Encoder states come at 41.7 a second (one per 384 samples). The graphs are those of
`graph`; `encoder` and `decoder` run them.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

BOS: Final = 1
EOS: Final = 2
FRAME_SAMPLES: Final = 384
WORD_MARK: Final = "\u2581"
_CLOSING: Final = (".", "?", "!")
_MARKS: Final = string.punctuation.replace("'", "").encode()
_UNSPACED: Final = re.compile("[\u3005-\u3007\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Kana and Han characters."""
_UNSPACED_LEADS: Final = tuple(bytes([lead]) for lead in range(0xE3, 0xEA))
"""With these bytes begin those that are spelled in bytes."""

ALIGNMENT_HEADS: Final = ((3, 0), (3, 2), (3, 5), (4, 1), (4, 3), (4, 6))
"""(layer, head) whose cross-attention follows the speech: rank correlation of token order and
attended frame above 0.995 on 40 development utterances, the six with the sharpest peaks."""

N_LAYERS: Final = 6
N_HEADS: Final = 8
HEAD_DIM: Final = 36
D_MODEL: Final = N_HEADS * HEAD_DIM
D_MLP: Final = 1_152
ROTARY_DIM: Final = 32
ROTARY_BASE: Final = 10_000.0

STEM_FILE: Final = "stem.onnx"
ENCODE_FILE: Final = "encode.onnx"
STEP_FILE: Final = "step.onnx"
CROSS_FILE: Final = "cross.onnx"
GRAPH_VERSION: Final = "4"
"""Changes with what `streamer.models.moonshine.graph` writes, so that caches are built anew."""


class Tokenizer:
    """SentencePiece tokens; Moonshine has 32,768."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces
        self._bytes = [_piece_bytes(piece) for piece in pieces]
        self._starts_word = [_starts_word(raw) for raw in self._bytes]
        # Characters come behind the tokens of single bytes, some of which look the same.
        self._ids = {raw: token for token, raw in enumerate(self._bytes)}
        self._spoken = [
            any(char.isalnum() for char in raw.decode("utf-8", errors="ignore"))
            for raw in self._bytes
        ]

        self._letters = [raw.lower().translate(None, _MARKS) for raw in self._bytes]
        self.closing_marks = frozenset(
            token
            for token, raw in enumerate(self._bytes)
            if raw.decode(errors="ignore") in _CLOSING
        )
        """Tokens that can end a sentence."""

    @classmethod
    def read(cls, path: Path) -> Tokenizer:
        """From Moonshine's length-prefixed list."""
        data = path.read_bytes()
        pieces: list[bytes] = []
        at = 0
        while at < len(data):
            length = data[at]
            at += 1
            if length >= 128:
                length += 128 * data[at] - 128
                at += 1
            pieces.append(data[at : at + length])
            at += length
        return cls(pieces)

    def __len__(self) -> int:
        return len(self._pieces)

    def starts_word(self, token: int) -> bool:
        return self._starts_word[token]

    def is_spoken(self, token: int) -> bool:
        """Whether the token stands for sound: it has a letter or a digit."""
        return self._spoken[token]

    def letters(self, token: int) -> bytes:
        """What the token adds to words when case and marks do not count, the apostrophe
        excepted; pauses between words are marked."""
        return self._letters[token]

    def is_common(self, word: str) -> bool:
        """Whether a word that is given in lower case is mostly written so. Tokens are numbered in
        the order they were learned, so the form that was met more often has the lower number; of
        rare words, which have no token, nothing is known."""
        lower = self._ids.get((WORD_MARK + word).encode(), len(self))
        return lower < self._ids.get((WORD_MARK + word.capitalize()).encode(), len(self))

    def encode(self, text: str) -> list[int]:
        """Tokens of words, each with its leading space, as the decoder would give them.

        Byte-pair encoding (Sennrich et al., 2016): the pair that makes the token with the lowest
        number is joined first, for tokens are numbered in the order they were learned.
        """
        parts = [char.encode() for char in WORD_MARK + WORD_MARK.join(text.split())]
        while len(parts) > 1:
            joined = [self._ids.get(a + b, len(self)) for a, b in pairwise(parts)]
            at = min(range(len(joined)), key=joined.__getitem__)
            if joined[at] == len(self):
                break
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        # Characters that are no tokens are spelled in bytes.
        spelled = [[part] if part in self._ids else [bytes([b]) for b in part] for part in parts]
        return [self._ids[piece] for pieces in spelled for piece in pieces]

    def decode(self, tokens: list[int]) -> str:
        """Text of the tokens, without control tokens; words are separated by single spaces."""
        raw = b"".join(self._bytes[token] for token in tokens)
        return raw.decode("utf-8", errors="replace").replace(WORD_MARK, " ").strip()


def _starts_word(raw: bytes) -> bool:
    """At a space, and at each character of scripts that have none."""
    first = raw[:4].decode("utf-8", errors="ignore")[:1]
    if first:
        return first == WORD_MARK or _UNSPACED.match(first) is not None
    return raw[:1] in _UNSPACED_LEADS


def _piece_bytes(piece: bytes) -> bytes:
    """What a piece stands for: control tokens are empty, `<0x41>` is the byte 0x41."""
    if piece.startswith(b"<0x") and len(piece) == 6:
        return bytes([int(piece[3:5], 16)])
    if piece.startswith(b"<") and piece.endswith(b">") and len(piece) > 2:
        return b""
    return piece
