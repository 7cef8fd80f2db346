from __future__ import annotations

import threading

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

from streamer.models.card import places
from streamer.models.card.places import NoSlotError, Slot, Slots


def test_a_slot_is_taken_until_nobody_holds_it() -> None:
    slots = Slots(2)
    held = [slots.take(), slots.take()]
    assert {slot.index for slot in held} == {0, 1}
    for ask in (slots.check, slots.take):
        with pytest.raises(NoSlotError, match="all 2 places on the card are taken"):
            ask()
    left = held.pop().index
    slots.check()
    assert slots.take().index == left


def test_a_slot_may_come_back_while_the_same_thread_takes_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As when making one has the collector find another."""
    slots = Slots(2)
    held = [slots.take()]

    class Collected(Slot):
        def __init__(self, index: int) -> None:
            held.clear()
            super().__init__(index)

    monkeypatch.setattr(places, "Slot", Collected)
    thread = threading.Thread(target=slots.take, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert slots.n_free == 2
