from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from starlette.datastructures import QueryParams

from streamer.hosting.options import ServerOptions
from streamer.server.access import host_is_known, origin_is_allowed, token_is_right

STRANGE_TOKENS = [
    "8q+/Zm9vL2Jhcis9PQ==",  # as `openssl rand -base64` makes them
    "+/+/",
    "a b",
    'a,b;c="d"',
    "%2B%20&#?",
    "~!@#$%^&*()_+{}|:<>?",
    "token64.x",
    "a.b.c",
]


def base64url(token: str) -> str:
    return base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


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
        ({}, {}, ["streamer.v1", "token64." + base64url("s3cret")], True),
        ({}, {}, ["streamer.v1", "token64." + base64url("wrong")], False),
        ({}, {}, ["token64.s3cret", "token64.", "token64.\u00e9", "token64.a"], False),
        ({}, {}, ["token." + base64url("s3cret")], False),
    ],
)
def test_token(
    headers: dict[str, str], query: dict[str, str], subprotocols: list[str], right: bool
) -> None:
    assert token_is_right("s3cret", headers, query, subprotocols) is right


@pytest.mark.parametrize("token", STRANGE_TOKENS)
def test_a_token_of_any_printable_characters_can_be_shown(token: str) -> None:
    ServerOptions(token=token)
    assert token_is_right(token, {"authorization": f"Bearer {token}"}, {}, [])
    assert token_is_right(token, {}, {}, ["streamer.v1", f"token64.{base64url(token)}"])
    encoded = quote(token, safe="")
    assert token_is_right(token, {}, QueryParams(f"token={encoded}"), [])
    wrong = f"token64.{base64url(token + 'x')}"
    assert not token_is_right(token, {"authorization": "Bearer x"}, {"token": "x"}, [wrong])


def test_a_plus_sign_that_nobody_encoded_is_read_as_one() -> None:
    assert token_is_right("a+b", {}, QueryParams("token=a+b"), [])


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


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("localhost", True),
        ("localhost:8765", True),
        ("LocalHost.:80", True),
        ("127.0.0.1:8765", True),
        ("127.9.9.9", True),
        ("[::1]:8765", True),
        ("[::1]", True),
        (None, True),  # no browser leaves it out
        ("", False),
        ("evil.example", False),
        ("evil.example:8765", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("evil.example@localhost", False),
        ("0.0.0.0:8765", False),
        ("192.168.0.7", False),
        ("[::1", False),
        ("[::1]evil.example", False),
        ("[fe80::1]", False),
        ("[", False),
        (":8765", False),
        ("l\u00f6calhost", False),
    ],
)
def test_a_server_on_a_loopback_address_has_no_other_name(
    host: str, name: str | None, known: bool
) -> None:
    assert host_is_known(ServerOptions(host=host), name) is known


@pytest.mark.parametrize(
    ("options", "name", "known"),
    [
        (ServerOptions(allow_host=("captions.example",)), "captions.example", True),
        (ServerOptions(allow_host=("Captions.Example",)), "captions.example:443", True),
        (ServerOptions(allow_host=("captions.example",)), "localhost:8765", True),
        (ServerOptions(allow_host=("captions.example",)), "a.captions.example", False),
        (ServerOptions(allow_host=("*",)), "evil.example", True),
        (ServerOptions(allow_origin=("https://captions.example/",)), "captions.example", True),
        (ServerOptions(allow_origin=("https://captions.example",)), "evil.example", False),
        (ServerOptions(allow_origin=("*", "http://[")), "evil.example", False),
        (ServerOptions(host="0.0.0.0"), "anything.example", True),
        (ServerOptions(host="10.0.0.1"), "10.0.0.1:8765", True),
        (ServerOptions(host="0.0.0.0", allow_host=("one.example",)), "one.example", True),
        (ServerOptions(host="0.0.0.0", allow_host=("one.example",)), "two.example", False),
    ],
)
def test_names_that_were_allowed(options: ServerOptions, name: str, known: bool) -> None:
    assert host_is_known(options, name) is known
