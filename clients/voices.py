"""What somebody is known by, asked of the server: for `known_voices` of a `StartMessage`."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Final
from urllib.parse import urlsplit

from streamer.client.address import DEFAULT_ADDRESS, websocket_url
from streamer.client.transcript import ConnectionLostError, ServerRefusedError, Transcript

_TIMEOUT_S: Final = 30.0
_MAX_SAID_BYTES: Final = 1_000


def voice_print(recording: bytes, address: str = DEFAULT_ADDRESS, token: str | None = None) -> str:
    """Blocks until the server has answered; it keeps nothing of this.

    Args:
        recording: a file of any format with two seconds or more of one person.
        address: of the server, as `websocket_url` understands it.
        token: shown to the server, if it wants one.

    Raises:
        ValueError: this is no address.
        ServerRefusedError: too little is said in it, or the server does not want it.
        ConnectionLostError: nobody answers there.
    """
    parts = urlsplit(websocket_url(address))
    url = f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}/v1/voice"
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, recording, headers)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            return str(json.load(answer)["voice"])
    except urllib.error.HTTPError as error:
        said = error.read(_MAX_SAID_BYTES).decode(errors="replace").strip()
        raise ServerRefusedError(str(error.code), said, Transcript()) from error
    except (OSError, ValueError, KeyError) as error:
        raise ConnectionLostError(f"no voice print from {url}: {error}", Transcript()) from error
