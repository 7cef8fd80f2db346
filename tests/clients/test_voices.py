from __future__ import annotations

from collections.abc import Iterator

import pytest

from streamer.client.transcript import ConnectionLostError, ServerRefusedError
from streamer.client.voices import voice_print
from streamer.hosting.options import ServerOptions
from streamer.protocol.messages import StartMessage
from tests.fakes import silence, tone, wav_bytes
from tests.serving import ServerThread


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread(ServerOptions(token="secret")) as server:
        yield server


def test_a_voice_is_known_by_what_the_server_says(server: ServerThread) -> None:
    voice = voice_print(wav_bytes(tone(2.0)), server.http_url, "secret")
    assert StartMessage(speakers=True, known_voices=(voice,)).known_voices == (voice,)


def test_what_is_wrong_is_said(server: ServerThread) -> None:
    with pytest.raises(ServerRefusedError, match="401: token missing or wrong"):
        voice_print(wav_bytes(tone(2.0)), server.http_url)
    with pytest.raises(ServerRefusedError, match="400: too little is said"):
        voice_print(wav_bytes(silence(2.0)), server.http_url, "secret")
    with pytest.raises(ConnectionLostError, match="no voice print from http://127"):
        voice_print(b"x", "127.0.0.1:9")
    with pytest.raises(ValueError, match="is no address"):
        voice_print(b"x", "")
