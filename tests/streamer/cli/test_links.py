"""The addresses that a server prints."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from streamer.cli import links
from streamer.cli.links import Links, is_open_to_others


def test_on_this_machine_there_is_one_link() -> None:
    assert list(Links("127.0.0.1", None).lines("http://127.0.0.1:8765/")) == [
        "Captions: http://127.0.0.1:8765/  (ctrl-C stops)"
    ]


@pytest.mark.parametrize("token", ["s3cret", "a+b/c=", "50% & more #1"])
def test_the_token_arrives_as_it_was_given(token: str) -> None:
    (line,) = Links("127.0.0.1", token).lines("http://127.0.0.1:8765/")
    link = line.split()[1]
    assert parse_qs(urlsplit(link).query) == {"token": [token]}


@pytest.mark.parametrize(
    ("scheme", "address", "expected"),
    [
        ("http", "192.0.2.9", "http://192.0.2.9:8765/?token=x  (its microphone needs --tls)"),
        ("https", "192.0.2.9", "https://192.0.2.9:8765/?token=x"),
        ("https", "2001:db8::9", "https://[2001:db8::9]:8765/?token=x"),
    ],
)
def test_others_in_the_network_get_a_link_of_their_own(
    monkeypatch: pytest.MonkeyPatch, scheme: str, address: str, expected: str
) -> None:
    monkeypatch.setattr(links, "lan_address", lambda host: address)
    _, line = Links("0.0.0.0", "x").lines(f"{scheme}://localhost:8765/")
    assert line == f"In this network: {expected}"


def test_without_a_network_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "lan_address", lambda host: None)
    assert len(list(Links("0.0.0.0", None).lines("http://localhost:8765/"))) == 1


@pytest.mark.parametrize(
    ("host", "is_open"),
    [
        *(("127.0.0.1", False), ("::1", False), ("localhost", False)),
        *(("0.0.0.0", True), ("::", True), ("192.0.2.9", True), ("captions.example", True)),
    ],
)
def test_who_reaches_it(host: str, is_open: bool) -> None:
    assert is_open_to_others(host) is is_open
