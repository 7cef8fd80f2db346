from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.protocol.strict_json import DuplicateKeyError, StrictJsonError, read_object

SOUND = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), SOUND, max_size=5), st.booleans())
def test_what_is_sound_is_read_as_it_was_written(message: dict[str, object], ascii_: bool) -> None:
    text = json.dumps(message, ensure_ascii=ascii_)
    assert read_object(text) == message
    assert read_object(text.encode()) == message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("{}{}", "is not JSON"),
        ("[" * 200_000, "is not JSON"),
        ('{"a":' * 200_000, "is not JSON"),
        ('{"a":' + "9" * 5_000 + "}", "is not JSON"),
        ("\ufeff{}", "is not JSON"),
        (b"\xff{}", "is not JSON"),
        (b'{"a":"\xed\xa0\x80"}', "is not JSON"),
        ("{}".encode("utf-16"), "is not JSON"),
        ("null", "is not a JSON object"),
        ("[{}]", "is not a JSON object"),
        ('"{}"', "is not a JSON object"),
        ("NaN", "is not a JSON object"),
        ('{"a":NaN}', "not finite"),
        ('{"a":[-Infinity]}', "not finite"),
        ('{"a":{"b":1e400}}', "not finite"),
        ('{"a":1' + "0" * 30 + "}", "64 bits"),
        ('{"a":"\\ud800"}', "surrogate"),
        ('{"\\udc00":1}', "surrogate"),
        ('{"a":[{"b":["\\ud83d"]}]}', "surrogate"),
        ('{"a":1,"b":2,"a":1}', "gives a twice"),
        ('{"x":[{"a":1,"a":2}]}', "gives a twice"),
        ('{"a":' + "[" * 32 + "]" * 32 + "}", "32 levels"),
        ('{"a":[' + "1," * 10_000 + "1]}", "10000 values"),
        ('{"a":[' + "[]," * 10_000 + "1]}", "10000 values"),
    ],
)
def test_what_is_not_is_refused_with_the_reason(text: str | bytes, says: str) -> None:
    with pytest.raises(StrictJsonError, match=says):
        read_object(text)


def test_a_whole_character_of_two_surrogates_is_sound() -> None:
    assert read_object('{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}


def test_the_name_of_a_key_that_stands_twice_is_short_and_plain() -> None:
    key = "\\ud800" + "k" * 500
    with pytest.raises(DuplicateKeyError) as caught:
        read_object(f'{{"{key}":1,"{key}":2}}')
    assert caught.value.key.isascii()
    assert len(str(caught.value)) < 80
