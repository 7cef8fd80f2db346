from __future__ import annotations

import pytest

from streamer.client.address import websocket_url


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
