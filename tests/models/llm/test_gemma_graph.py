from __future__ import annotations

from pathlib import Path

import numpy as np

from streamer.models.llm.contract import LlmTokenRequest
from streamer.models.llm.gemma import Gemma
from streamer.models.llm.gemma_graph import build_graphs, quantize_blocks, shortlist
from tests.models.tiny_gemma import BOS, tiny_source, write_tiny_gemma


def test_weights_come_back_within_half_a_step() -> None:
    weight = np.random.default_rng(0).standard_normal((3, 80)).astype(np.float32)
    quantized, scales = quantize_blocks(weight)
    assert quantized.shape == (3, 3, 32)
    back = (quantized.astype(np.float32) - 128) * scales.reshape(3, 3, 1)
    np.testing.assert_allclose(back.reshape(3, -1)[:, :80], weight, atol=scales.max() / 2)


def test_the_shortlist_is_what_english_captions_are_made_of() -> None:
    pieces = ["<bos>", "\u2581the", "Don", "'", "42", "\u00e9t\u00e9", "\u4e2d", "\n", "st,"]
    chosen = shortlist({piece: i for i, piece in enumerate(pieces)}, len(pieces) + 1)
    kept = [piece for piece, is_in in zip(pieces, chosen, strict=False) if is_in]
    assert kept == ["\u2581the", "Don", "'", "42", "st,"]


def test_a_token_is_computed_once_however_many_hypotheses_share_it(tmp_path: Path) -> None:
    write_tiny_gemma(tmp_path)
    (tmp_path / "graphs").mkdir()
    build_graphs(tiny_source(tmp_path), tmp_path / "graphs")
    gemma = Gemma(tmp_path / "graphs", threads=1)
    body, fed = gemma._body, []

    class Counting:
        def run(self, outputs: None, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
            fed.append(len(feed["embedded"]))
            return list(body.run(outputs, feed))

    gemma._body = Counting()
    tree = gemma.new_cache()

    def ask(context: list[int], rows: list[list[int]], shared: int) -> list[float]:
        return gemma.logprobs([LlmTokenRequest(context, tree, rows, shared)])[0]

    first = ask([BOS, 10, 11], [[20, 21, 22], [20, 21, 23], [20, 24]], 1)
    assert fed == [5]  # the context, 20 and 21; the last tokens are only looked up
    assert ask([BOS, 10, 11], [[20, 21, 22], [20, 21, 23], [20, 24]], 1) == first
    assert fed == [5]
    ask([BOS, 10, 11, 20, 21], [[22, 30, 31], [22, 32]], 1)  # 20 and 21 were committed
    assert fed == [5, 1 + 1]
    assert len(tree.tokens) == 5 + 2


def test_many_hypotheses_of_many_sessions_may_share_a_pass(tmp_path: Path) -> None:
    write_tiny_gemma(tmp_path)
    (tmp_path / "graphs").mkdir()
    build_graphs(tiny_source(tmp_path), tmp_path / "graphs")
    gemma = Gemma(tmp_path / "graphs", threads=1)
    rng = np.random.default_rng(0)
    rows = [rng.integers(4, 60, 30).tolist() for _ in range(12)]

    def request(rows: list[list[int]]) -> LlmTokenRequest:
        return LlmTokenRequest([BOS, 10], gemma.new_cache(), rows, 0)

    together = gemma.logprobs([request(rows), request(rows[:6])])  # more than 512 tokens
    apart = [gemma.logprobs([request([row])])[0][0] for row in rows]
    np.testing.assert_allclose(together[0], apart, rtol=1e-4)
    np.testing.assert_allclose(together[1], apart[:6], rtol=1e-4)
