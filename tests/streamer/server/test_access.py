from __future__ import annotations

import pytest

from streamer.server.access import origin_is_allowed, token_is_right


@pytest.mark.parametrize(
    ("headers", "query", "subprotocols", "right"),
    [
        ({"authorization": "Bearer s3cret"}, {}, [], True),
        ({"authorization": "bearer  s3cret "}, {}, [], True),
        ({}, {"token": "s3cret"}, [], True),
        ({}, {}, ["streamer.v1", "token.s3cret"], True),
        ({"authorization": "Bearer wrong"}, {"token": "s3cret"}, [], True),
        ({"authorization": "Token s3cret"}, {}, [], True),
        ({}, {}, ["token", "s3cret"], True),
        ({}, {}, ["realtime", "openai-insecure-api-key.s3cret"], True),
        ({}, {}, ["other", "s3cret"], False),
        ({}, {}, [], False),
        ({"authorization": "Basic s3cret"}, {}, [], False),
        ({"authorization": "Bearer s3cre"}, {"token": "S3cret"}, ["s3cret"], False),
        ({"authorization": "Bearer \u00e9"}, {}, [], False),
    ],
)
def test_token(
    headers: dict[str, str], query: dict[str, str], subprotocols: list[str], right: bool
) -> None:
    assert token_is_right("s3cret", headers, query, subprotocols) is right


def test_without_a_token_everybody_may() -> None:
    assert token_is_right(None, {}, {"token": "anything"}, [])


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "may"),
    [
        (None, "localhost:8765", (), True),
        ("http://localhost:8765", "localhost:8765", (), True),
        ("https://Captions.example", "captions.example", (), True),
        ("http://evil.example", "localhost:8765", (), False),
        ("http://localhost:9999", "localhost:8765", (), False),
        ("null", "localhost:8765", (), False),
        ("null", "", (), False),
        ("http://[", "localhost:8765", (), False),
        ("http://friend.example", "localhost", ("http://friend.example/",), True),
        ("http://friend.example.evil", "localhost", ("http://friend.example",), False),
        ("http://evil.example", "localhost", ("*",), True),
    ],
)
def test_origin(origin: str | None, host: str, allowed: tuple[str, ...], may: bool) -> None:
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    assert origin_is_allowed(allowed, headers) is may
