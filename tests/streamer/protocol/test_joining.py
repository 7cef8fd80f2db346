from __future__ import annotations

import pytest

from streamer.protocol.joining import gap, joined


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], ""),
        (["Hello", "world."], "Hello world."),
        (["für", "größere", "Übungen"], "für größere Übungen"),
        (["復興", "努力", "に", "対する"], "復興努力に対する"),
        (["該", "項目", "於", "2021", "年"], "該項目於 2021 年"),
        (["그는", "이리저리"], "그는 이리저리"),
        (["สวัสดี", "ครับ"], "สวัสดีครับ"),
        (["", "one", "", "two"], "one two"),
        (["です。", "Hello"], "です。 Hello"),
    ],
)
def test_spaces_stand_where_the_script_has_some(words: list[str], text: str) -> None:
    assert joined(words) == text


def test_a_gap_needs_two_sides() -> None:
    assert gap("", "word") == gap("word", "") == ""
    assert gap("a", "b") == " "
