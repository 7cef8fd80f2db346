"""A line every two seconds, with the share of the work that is done."""

from __future__ import annotations

from streamer.models.store.progress import Progress, part


def test_a_line_every_two_seconds() -> None:
    now_s = 100.0
    said: list[str] = []
    progress = Progress("converting it", said.append, lambda: now_s)
    for tenth in range(10):
        now_s = 100.0 + tenth / 2
        progress.reached(tenth / 10)
    assert said == [
        "converting it, this once",
        "converting it: 40% after 2 s",
        "converting it: 80% after 4 s",
    ]


def test_parts_make_the_whole() -> None:
    heard: list[float] = []
    first, second = part(heard.append, 0, 0.5), part(part(heard.append, 0.5, 1), 0.5, 1)
    for reached in (first, second):
        reached(0)
        reached(0.5)
    assert heard == [0, 0.25, 0.75, 0.875]
