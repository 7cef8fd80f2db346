from __future__ import annotations

from streamer.client.renumbering import Renumbering
from streamer.protocol.turns import TurnEvent


def test_turns_go_on_behind_those_of_the_sessions_before() -> None:
    turn = TurnEvent(
        event="start", turn_id=1, start_ms=10, end_ms=20, text="hi", confidence=0.5, lag_ms=7
    )
    renumbered = Renumbering(ms=1_000, words=5, segments=2).apply(turn)
    assert isinstance(renumbered, TurnEvent)
    assert (renumbered.turn_id, renumbered.start_ms, renumbered.end_ms) == (6, 1_010, 1_020)
    assert renumbered.lag_ms == 7
