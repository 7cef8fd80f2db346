"""Scores texts on sound that was heard: all of them in one pass through Whisper's decoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.models.onnx.runtime import open_session
from streamer.models.whisper.judge_graph import RULED_OUT, WEIGHTS_FILE
from streamer.models.whisper.weights_file import WeightsFile

_ROOT: Final = -1
"""The parent of the first token."""


class Judge:
    """The decoder of one folder's model. Safe for calls from several threads."""

    def __init__(self, folder: Path, graph: Path, *, threads: int, device: str = "cpu") -> None:
        """Open a graph that `streamer.models.whisper.judge_graph.build_judge` wrote.

        Raises:
            ModelCorruptError: the folder holds no weights for CTranslate2.
        """
        self._weights = WeightsFile(folder / WEIGHTS_FILE)
        self._session = open_session(graph, threads=threads, device=device)

    def logprobs(
        self, states: Floats, prompt: Sequence[int], texts: Sequence[Sequence[int]]
    ) -> list[float]:
        """The log-probability (nats) of each text behind the prompt; minus infinity if it has
        something that may not be said.

        Args:
            states: the encoder's, `[1, P, D]`.
            prompt: tokens, at least one.
            texts: tokens, at least one each, and the token that ends a text, if that is to count.
        """
        tree = _Tree()
        start = tree.path(_ROOT, prompt)[-1]
        pairs = [
            pair
            for text in texts
            for pair in zip((start, *tree.path(start, text[:-1])), text, strict=True)
        ]
        asked = sorted({node for node, _ in pairs})
        rows = {node: row for row, node in enumerate(asked)}
        (found,) = self._session.run(
            None,
            {
                "states": states.astype(np.float32),
                "embedded": self._embedded(tree)[None],
                "mask": tree.mask(),
                "asked": np.array(asked, np.int64),
                "pairs": np.array([(rows[node], token) for node, token in pairs], np.int64),
            },
        )
        ends = np.cumsum([len(text) for text in texts])[:-1]
        sums = [float(part.sum()) for part in np.split(found, ends)]
        return [value if value > RULED_OUT / 2 else -np.inf for value in sums]

    def _embedded(self, tree: _Tree) -> Floats:
        embedded = self._weights.rows("decoder/embeddings/weight", tree.tokens)
        positions = self._weights.rows("decoder/position_encodings/encodings", tree.depths)
        total: Floats = embedded + positions
        return total


class _Tree:
    """Tokens of several texts, each beginning once; parents come before their children."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.depths: list[int] = []
        """Tokens before each: its position."""
        self._parents: list[int] = []
        self._children: dict[tuple[int, int], int] = {}

    def path(self, start: int, tokens: Sequence[int]) -> list[int]:
        """The nodes of tokens that follow a node; those that are missing are added."""
        path = []
        node = start
        for token in tokens:
            child = self._children.setdefault((node, token), len(self.tokens))
            if child == len(self.tokens):
                self.tokens.append(token)
                self.depths.append(0 if node == _ROOT else self.depths[node] + 1)
                self._parents.append(node)
            node = child
            path.append(node)
        return path

    def mask(self) -> Floats:
        """`[N, N]`, to be added to attention: a token sees itself and those before it."""
        sees = np.eye(len(self.tokens), dtype=np.bool_)
        for node, parent in enumerate(self._parents):
            if parent != _ROOT:
                sees[node] |= sees[parent]
        return np.where(sees, np.float32(0), np.float32(RULED_OUT))
