"""Contexts of LLMs come and go in slots, and none sees what is another's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

import torch

from benchmarks.gpu.large import llm_shapes
from streamer.models.card.llm.contexts import slot_bytes, token_of
from streamer.models.card.llm.model import CardLlm
from streamer.models.card.loading import slots_of
from streamer.models.card.places import NoSlotError
from streamer.models.errors import NoRoomError
from streamer.models.llm.contract import MAX_CONTEXT_TOKENS
from streamer.models.onnx.runtime import DeviceUnavailableError
from tests.models.card.llm.random_llms import (
    Asked,
    ask,
    assert_close,
    on_card,
    rows,
    tokens,
    whole,
)
from tests.models.card.test_device import SmallCard


def spoil(llm: CardLlm) -> None:
    """Nothing that lies in anybody's slot is a number any more."""
    for layer in llm.slots._layers:
        for part in layer:
            part[: llm.slots.n_slots * MAX_CONTEXT_TOKENS] = math.nan


def test_contexts_that_come_grow_begin_anew_and_go_score_as_the_library_does_each(
    model: Any,
) -> None:
    """In three slots, which many have after each other; nobody reads what he has not written."""
    llm = on_card(model, 2)
    spoil(llm)
    contexts: dict[str, list[int]] = {}
    caches: dict[str, Any] = {}
    used: set[int] = set()
    turns: list[tuple[str, dict[str, int]]] = [
        ("", {"short": 3, "long": MAX_CONTEXT_TOKENS, "bare": 1}),
        ("", {"short": 4, "bare": 9}),
        ("bare", {"short": 0, "next": 2}),
        ("long", {"next": 30, "late": 5}),  # where the long one was
        ("short", {"late": 1, "last": 12, "next": 0}),
        ("next", {"last": 2, "late": 7}),
    ]
    for turn, (gone, grown) in enumerate(turns):
        contexts.pop(gone, None)
        caches.pop(gone, None)
        for at, (name, n_new) in enumerate(grown.items()):
            begins_anew = (turn, name) == (3, "next")
            before = [] if begins_anew else contexts.get(name, [])
            contexts[name] = before + tokens(n_new, 10 * turn + at)
            caches.setdefault(name, llm.new_cache())
        asked: list[Asked] = [
            (contexts[name], rows((4, 2, 7), 1, 70 + turn + at), 1) for at, name in enumerate(grown)
        ]
        found = ask(llm, asked, [caches[name] for name in grown])
        assert_close(found, [whole(model, each) for each in asked])
        held = [cache.slot.index for cache in caches.values() if cache.slot is not None]
        assert len(held) == len(set(held)) == 3 - llm.slots.n_free
        used |= set(held)
    assert used == {0, 1, 2}
    caches.clear()
    assert llm.slots.n_free == 3


def test_a_short_context_sees_nothing_of_the_long_one_before_it(llama: Any) -> None:
    """Beside one that makes it look as far back."""
    llm = on_card(llama, 1)
    other = (tokens(100, 1), rows((3, 5), 0, 2), 0)
    kept = llm.new_cache()
    passing = llm.new_cache()
    ask(llm, [other, (tokens(200, 3), other[1], 0)], [kept, passing])
    left = passing.slot.index
    del passing
    short: Asked = (tokens(2, 4), rows((6, 1), 0, 5), 0)
    fresh = llm.new_cache()
    assert_close(
        ask(llm, [short, other], [fresh, kept]), [whole(llama, short), whole(llama, other)]
    )
    assert fresh.slot.index == left


def test_a_full_slot_does_not_run_over_into_the_next(llama: Any) -> None:
    """Nor does what pads it beside another that grows by more."""
    llm = on_card(llama, 2)
    texts = rows((3, 5), 0, 2)
    caches = [llm.new_cache() for _ in range(3)]
    kept: Asked = (tokens(12, 1), texts, 0)
    full, growing = tokens(MAX_CONTEXT_TOKENS - 2, 2), tokens(4, 3)
    ask(llm, [kept, (full, texts, 0), (growing, texts, 0)], caches)
    assert [cache.slot.index for cache in caches] == [2, 1, 0]
    asked: list[Asked] = [(full + tokens(2, 4), texts, 0), (growing + tokens(90, 5), texts, 0)]
    ask(llm, asked, caches[1:])
    asked.insert(0, kept)
    assert_close(ask(llm, asked, caches), [whole(llama, each) for each in asked])


def test_who_finds_no_slot_is_told_and_the_others_are_answered(llama: Any) -> None:
    llm = on_card(llama, 1)
    asked: list[Asked] = [(tokens(4 + at, at), rows((3, 2), 0, 9), 0) for at in range(3)]
    asked.append(([2], rows((3, 2), 0, 9), 0))  # with nothing to remember it needs none
    expected = [whole(llama, each) for each in asked]
    caches = [llm.new_cache() for _ in asked]
    llm.check_room()
    for _ in range(2):
        first, second, refused, bare = ask(llm, asked, caches)
        assert isinstance(refused, NoSlotError)
        assert_close([first, second, bare], [expected[0], expected[1], expected[3]])
        with pytest.raises(NoRoomError, match=r"all 2 places on the card are taken; allow more"):
            llm.check_room()
    caches[0] = None
    llm.check_room()
    assert_close(ask(llm, asked[1:], caches[1:]), expected[1:])


def test_a_context_is_no_longer_than_its_slot(llama: Any) -> None:
    llm = on_card(llama, 2)
    texts = rows((3, 2), 0, 9)
    longest: Asked = (tokens(MAX_CONTEXT_TOKENS, 1), texts, 0)
    other: Asked = (tokens(20, 2), texts, 0)
    caches = [llm.new_cache(), llm.new_cache()]
    expected = [whole(llama, longest), whole(llama, other)]
    assert_close(ask(llm, [longest, other], caches), expected)
    with pytest.raises(ValueError, match="a context has 257 tokens, more than 256"):
        ask(llm, [([*longest[0], 3], texts, 0), other], caches)
    assert_close(ask(llm, [longest, other], caches), expected)


def test_memory_is_what_was_reckoned(model: Any) -> None:
    token = token_of(model)
    for n_sessions in (1, 16):
        slots = on_card(model, n_sessions).slots
        assert slots.n_slots == slots_of(n_sessions)
        # One more, for what is written to nobody.
        assert slots.nbytes == (slots.n_slots + 1) * slot_bytes(token)


def test_a_card_that_is_too_small_tells_how_many_fit(llama: Any) -> None:
    each = slot_bytes(token_of(llama))
    assert each == MAX_CONTEXT_TOKENS * 3 * 2 * 2 * 8 * 4

    def load(n_fitting: int) -> CardLlm:
        card = SmallCard((1 << 30) + n_fitting * each)
        return CardLlm(llama, card, card.queue("llm"), 16)

    load(slots_of(16))
    with pytest.raises(DeviceUnavailableError, match=r"16 sessions do not .* room for 7; allow"):
        load(9)


def test_places_of_llms_take_what_the_document_says() -> None:
    """In megabytes, as `docs/gpu.md` has them."""

    def place_mb(kind: Callable[[Any], Any], config: Any) -> float:
        with torch.device("meta"):
            return round(slot_bytes(token_of(kind(config).bfloat16())) / 1e6, 1)

    assert [place_mb(*shape) for shape in llm_shapes()] == [3.1, 37.7]
