from __future__ import annotations

import logging

from streamer.runtime.log_limits import RepeatFilter


def record(message: str, *arguments: object, level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord("a", level, "", 0, message, arguments, None)


def test_one_line_of_a_kind_a_second_and_the_rest_is_counted() -> None:
    now = 100.0
    limited = RepeatFilter(now=lambda: now)
    assert limited.filter(record("%d left", 1))
    assert not limited.filter(record("%d left", 2))
    assert not limited.filter(record("%d left", 3))
    assert limited.filter(record("%d came", 4))
    assert limited.filter(record("%d left", 5, level=logging.ERROR))
    now = 101.0
    passed = record("%d left", 6)
    assert limited.filter(passed)
    assert passed.getMessage() == "6 left (2 more like this before)"


def test_ever_new_messages_do_not_pile_up() -> None:
    limited = RepeatFilter(now=lambda: 0.0)
    for number in range(5_000):
        assert limited.filter(record(f"message {number}"))
    assert len(limited._kinds) <= 1_001
