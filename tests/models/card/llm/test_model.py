"""Language models by name, batched over sessions: tiny random ones, on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

import torch
import transformers

from streamer.models.card.device import Card
from streamer.models.card.llm.loading import QueuedLlm, can_share
from streamer.models.card.llm.model import TOGETHER, CardLlm
from streamer.models.errors import NoRoomError
from streamer.models.llm.contract import LlmTokenRequest
from streamer.models.llm.transformers_model import TransformersModel
from tests.models.card.llm.random_llms import (
    SHAPE,
    Asked,
    ask,
    assert_close,
    make,
    on_card,
    rows,
    tokens,
    whole,
)

ASKED: list[Asked] = [
    (tokens(1, 0), rows((3, 5, 1), 0, 10), 0),
    (tokens(23, 1), rows((4, 9), 2, 20), 2),
    (tokens(9, 2), rows((2, 0, 6, 1), 0, 30), 0),
    (tokens(14, 3), rows((7, 7), 6, 40), 6),
]
"""Contexts, of which one is nothing but a beginning; texts behind them; how much these share."""


def test_sessions_that_share_a_pass_score_as_the_library_does_each_text(model: Any) -> None:
    assert can_share(model)
    expected = [whole(model, each) for each in ASKED]
    assert len({round(score, 3) for scores in expected for score in scores if score}) > 8
    assert_close(ask(on_card(model), ASKED), expected)
    assert_close([ask(on_card(model), [each])[0] for each in ASKED], expected)


def test_the_likeliest_next_token_is_the_librarys(model: Any) -> None:
    llm = on_card(model)
    n_tokens = model.config.get_text_config().vocab_size
    every = [[token] for token in range(n_tokens)]
    found = ask(llm, [(context, every, 0) for context, *_ in ASKED])
    for scores, (context, *_) in zip(found, ASKED, strict=True):
        with torch.inference_mode():
            best = int(model(torch.tensor([context])).logits[0, -1].argmax())
        assert max(range(n_tokens), key=scores.__getitem__) == best


def test_contexts_that_grow_at_different_times_stay_right(model: Any) -> None:
    """Some say nothing new, some begin anew; who is asked together changes."""
    llm = on_card(model)
    contexts = [list(context) for context, *_ in ASKED]
    caches = [llm.new_cache() for _ in contexts]
    for turn, (who, grown) in enumerate(
        [((0, 1, 2, 3), (1, 4, 0, 2)), ((1, 3), (3, 0)), ((0, 2, 3), (5, 1, 6)), ((3, 0), (1, 1))]
    ):
        for at, n in zip(who, grown, strict=True):
            contexts[at] += tokens(n, 100 + 10 * turn + at)
        if turn == 2:
            contexts[2] = tokens(5, 999)
        asked = [(contexts[at], ASKED[at][1], ASKED[at][2]) for at in who]
        assert_close(
            ask(llm, asked, [caches[at] for at in who]), [whole(model, each) for each in asked]
        )


def test_only_what_is_new_is_fed_and_in_one_pass_for_all(
    llama: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = on_card(llama)
    shapes = []
    plain = llama.forward

    def counted(fed: torch.Tensor, **settings: Any) -> Any:
        shapes.append(tuple(fed.shape))
        return plain(fed, **settings)

    monkeypatch.setattr(llama, "forward", counted)
    contexts = [tokens(n, n) for n in (4, 12, 30)]
    texts = rows((2, 3), 0, 5)
    caches = [llm.new_cache() for _ in contexts]

    def asked() -> list[tuple[int, ...]]:
        shapes.clear()
        ask(llm, [(context, texts, 0) for context in contexts], caches)
        return list(shapes)

    assert asked() == [(3, 29), (6, 3)]
    assert asked() == [(6, 3)]
    contexts[0] += tokens(2, 50)
    contexts[2] += tokens(1, 51)
    assert asked() == [(2, 2), (6, 3)]


def test_a_pass_has_as_many_rows_as_it_may_hold(
    llama: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.models.card.llm.model._MOST_TOKENS", 24)
    n_rows = []
    plain = CardLlm._run

    def counted(self: CardLlm, requests: Sequence[LlmTokenRequest]) -> list[list[float]]:
        n_rows.append(sum(len(request.rows) for request in requests))
        return plain(self, requests)

    monkeypatch.setattr(CardLlm, "_run", counted)
    llm = on_card(llama)
    assert_close(ask(llm, ASKED), [whole(llama, each) for each in ASKED])
    # By length of the longest: 5, 6, 7, 9.
    assert n_rows == [3, 4, 2, 2]
    n_rows.clear()
    many = [ASKED[0]] * (TOGETHER + 1)
    monkeypatch.setattr("streamer.models.card.llm.model._MOST_TOKENS", 10_000)
    assert_close(ask(llm, many), [whole(llama, ASKED[0])] * len(many))
    assert n_rows == [3 * TOGETHER, 3]


def test_whom_the_card_has_no_memory_for_fails_alone(
    llama: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = on_card(llama)
    plain = llama.forward
    poor = ASKED[2][0][0]
    failing = True

    def short(fed: torch.Tensor, **settings: Any) -> Any:
        answer = plain(fed, **settings)  # what it wrote by then must be forgotten
        if failing and (len(fed) > 8 or poor in fed[:, 0]):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return answer

    monkeypatch.setattr(llama, "forward", short)
    caches = [llm.new_cache() for _ in ASKED]
    found = ask(llm, ASKED, caches)
    assert isinstance(found[2], NoRoomError)
    monkeypatch.setattr(llama, "forward", plain)
    expected = [whole(llama, each) for each in ASKED]
    others = [0, 1, 3]
    assert_close([found[at] for at in others], [expected[at] for at in others])
    assert_close(ask(llm, ASKED, caches), expected)


def test_what_cannot_be_batched_answers_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = make("Bloom")
    assert not can_share(model)
    llm = QueuedLlm(model, Card("cpu").queue("llm"))
    assert (llm.together, llm.waits) == (1, False)
    llm.check_room()
    caches = [llm.new_cache() for _ in ASKED]
    expected = [whole(model, each) for each in ASKED]
    assert_close(ask(llm, ASKED, caches), expected)
    plain = TransformersModel._answer

    def short(self: TransformersModel, request: LlmTokenRequest) -> list[float]:
        if request.context == ASKED[1][0]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(self, request)

    monkeypatch.setattr(TransformersModel, "_answer", short)
    first, poor, *others = ask(llm, ASKED, caches)
    assert isinstance(poor, NoRoomError)
    assert_close([first, *others], [expected[0], *expected[2:]])


def test_what_remembers_more_than_keys_and_values_is_not_batched() -> None:
    model = make("Llama")
    model.config = transformers.Qwen3NextConfig(**SHAPE)
    assert not can_share(model)


def test_padding_needs_no_position_that_the_model_lacks() -> None:
    model = make("GPT2", n_positions=32)
    asked: list[Asked] = [
        (tokens(30, 1), rows((2, 1), 0, 2), 0),
        (tokens(3, 3), rows((20, 5), 0, 4), 0),
    ]
    assert_close(ask(on_card(model), asked), [whole(model, each) for each in asked])
