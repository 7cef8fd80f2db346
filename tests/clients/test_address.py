from __future__ import annotations

import pytest

from streamer.client.address import resume_url, websocket_url


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("localhost:8765", "ws://localhost:8765/v1/stream"),
        ("http://localhost:8765/", "ws://localhost:8765/v1/stream"),
        ("https://captions.example", "wss://captions.example/v1/stream"),
        ("wss://captions.example/proxy/stream", "wss://captions.example/proxy/stream"),
        (" ws://[::1]:8765 ", "ws://[::1]:8765/v1/stream"),
    ],
)
def test_addresses(address: str, url: str) -> None:
    assert websocket_url(address) == url


@pytest.mark.parametrize("address", ["", "ftp://x", "two words"])
def test_no_address(address: str) -> None:
    with pytest.raises(ValueError, match="is no address"):
        websocket_url(address)


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("ws://there/v1/stream", "ws://there/v1/stream?session=a.5f0c"),
        ("ws://there/v1/stream?token=x", "ws://there/v1/stream?token=x&session=a.5f0c"),
    ],
)
def test_a_resume_names_its_session(url: str, asked: str) -> None:
    assert resume_url(url, "a.5f0c") == asked
