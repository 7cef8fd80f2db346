from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.models.llm.token_tree import TokenTree

PATHS = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), min_size=1, max_size=5)


def fill(tree: TokenTree) -> None:
    """Values that tell which path from the root they belong to."""
    values = [float(hash(path) % 1_000_003) for path in paths_of(tree)][tree.n_known :]
    column = np.array(values, np.float32)[:, None]
    tree.attention()
    tree.fill(np.stack([column, -column]), column)


def paths_of(tree: TokenTree) -> list[tuple[int, ...]]:
    """Each node's tokens from the root, by what it attends to."""
    total = len(tree.tokens)
    attends = np.zeros((total, total), np.bool_)
    attends[: tree.n_known, : tree.n_known] = tree._attends[: tree.n_known, : tree.n_known]
    attends[tree.n_known :] = tree.attention()
    return [tuple(tree.tokens[i] for i in np.flatnonzero(row)) for row in attends]


@given(st.lists(PATHS, min_size=1, max_size=4))
def test_every_node_keeps_its_path_and_values_while_the_tree_changes(
    rounds: list[list[list[int]]],
) -> None:
    tree = TokenTree(2, 1, 1)
    for paths in rounds:
        tree.plan([9, 9, 9])  # a pass that failed
        tree.forget_planned()
        used = {node for path in paths for node in tree.plan(path)}
        fill(tree)
        tree.keep(used)
        assert set(paths_of(tree)) == {tuple(p[: i + 1]) for p in paths for i in range(len(p))}
        expected = np.array([hash(p) % 1_000_003 for p in paths_of(tree)], np.float32)[:, None]
        np.testing.assert_array_equal(tree.states, np.stack([expected, -expected]))
        np.testing.assert_array_equal(tree.hidden(range(len(tree.tokens))), expected)
        assert tree.depths == [len(path) - 1 for path in paths_of(tree)]
        assert all(tree.plan(path)[-1] < tree.n_known for path in paths)
