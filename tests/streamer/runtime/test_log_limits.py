from __future__ import annotations

import logging

from streamer.runtime.log_limits import RepeatFilter


def record(
    message: str, *arguments: object, level: int = logging.WARNING, line: int = 7
) -> logging.LogRecord:
    return logging.LogRecord("a", level, "a.py", line, message, arguments, None)


def test_one_line_of_a_kind_a_second_and_the_rest_is_counted() -> None:
    now = 100.0
    limited = RepeatFilter(now=lambda: now)
    assert limited.filter(record("%d left", 1))
    assert not limited.filter(record("%d left", 2))
    assert not limited.filter(record("%d left", 3))
    assert limited.filter(record("%d came", 4, line=8))
    assert limited.filter(record("%d left", 5, level=logging.ERROR))
    now = 101.0
    passed = record("%d left", 6)
    assert limited.filter(passed)
    assert passed.getMessage() == "6 left (2 more like this before)"


def test_messages_that_hold_what_differs_are_of_one_kind() -> None:
    limited = RepeatFilter(now=lambda: 0.0)
    assert sum(limited.filter(record(f"byte {number} is wrong")) for number in range(256)) == 1


def test_what_two_programs_log_is_of_two_kinds() -> None:
    limited = RepeatFilter(now=lambda: 0.0)
    other = logging.LogRecord("a", logging.WARNING, "b.py", 7, "left", (), None)
    assert limited.filter(record("left"))
    assert limited.filter(other)
