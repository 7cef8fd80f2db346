from __future__ import annotations

from functools import partial

import pytest

from streamer.cli.output.live.zoom import ZoomCaptions
from tests.fakes import eventually
from tests.streamer.cli.output.live.captioned import piece
from tests.streamer.cli.output.live.meeting import Meeting, meeting


def sent(held: Meeting, zoom: ZoomCaptions, *texts: str) -> None:
    for at, text in enumerate(texts):
        n_before = len(held.texts)
        zoom.take(piece(text, 1_000 * at))
        eventually(partial(_has_more, held, n_before))


def _has_more(held: Meeting, n_before: int) -> bool:
    return len(held.texts) > n_before


def test_pieces_are_posted_in_order_one_at_a_time() -> None:
    with meeting() as held:
        zoom = ZoomCaptions(held.url, "en", first_wait_s=0.01)
        texts = [f"Sentence {n}." for n in range(30)]
        for text in texts:
            zoom.take(piece(text, 0))
        zoom.end()
    assert "".join(held.texts) == "".join(f"{text}\n" for text in texts)
    assert (held.most_at_once, held.languages, zoom.problem) == (1, {"en-US"}, None)


@pytest.mark.parametrize("failures", [[503], [400, 403, 405], [408, 500, 502, 504]])
def test_what_is_not_taken_is_sent_again_under_its_number(failures: list[int]) -> None:
    with meeting() as held:
        zoom = ZoomCaptions(held.url, "de", first_wait_s=0.001)
        sent(held, zoom, "Eins.")
        held.failures = list(failures)
        sent(held, zoom, "Zwei.", "Drei.")
        zoom.end()
    assert held.texts == ["Eins.\n", "Zwei.\n", "Drei.\n"]
    assert held.refused == [1] * len(failures)
    assert held.languages == {"de-DE"}


def test_numbers_go_on_behind_those_of_an_earlier_run() -> None:
    with meeting(last_seq=41) as held:
        zoom = ZoomCaptions(held.url, "en")
        sent(held, zoom, "Again.")
        zoom.end()
    assert held.last_seq == 42


def test_a_meeting_that_is_not_there_is_told_without_its_address() -> None:
    with meeting() as held:
        url = held.url
    zoom = ZoomCaptions(url, "en", first_wait_s=0.01)
    zoom.take(piece("Nobody hears.", 0))
    eventually(lambda: zoom.problem is not None)
    assert zoom.problem is not None
    assert zoom.problem.startswith("it cannot be reached")
    assert "signature" not in zoom.problem
    zoom.give_up()


def test_a_meeting_that_refuses_is_told_until_it_takes() -> None:
    with meeting() as held:
        held.failures = [400] * 3
        zoom = ZoomCaptions(held.url, "en", first_wait_s=0.2)
        zoom.take(piece("Hello.", 0))
        eventually(lambda: zoom.problem == "it answers 400")
        eventually(lambda: held.texts == ["Hello.\n"])
        eventually(lambda: zoom.problem is None)
        zoom.end()


def test_what_was_missed_for_long_is_not_sent() -> None:
    with meeting() as held:
        held.failures = [500]
        zoom = ZoomCaptions(held.url, "en", first_wait_s=0.5)
        zoom.take(piece("First.", 0))
        eventually(lambda: held.refused == [0])
        for n in range(200):
            zoom.take(piece(f"Number {n}.", 0))
        zoom.end()
    assert held.texts[0] == "First.\n"
    late = "".join(held.texts[1:])
    assert late.endswith("Number 199.\n")
    assert len(late) == 1_000
