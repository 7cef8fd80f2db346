from __future__ import annotations

import httpx

from streamer.app import ServerOptions
from tests.serving import ServerThread


def test_models_by_their_own_and_by_any_name() -> None:
    with ServerThread() as server, httpx.Client(base_url=server.http_url) as http:
        listed = http.get("v1/models").json()["data"]
        assert [model["id"] for model in listed] == ["streamer", "streamer-draft"]
        assert {model["answered_by"] for model in listed} == {"streamer-draft"}
        for name in ("Systran/faster-whisper-small", "Systran%2Ffaster-whisper-small"):
            model = http.get(f"v1/models/{name}").json()
            assert model["id"] == "Systran/faster-whisper-small"
            assert model["answered_by"] == "streamer-draft"
            assert model["language"] == ["de", "en"]
        unknown = http.get("v1/models/streamer-best")
        assert unknown.status_code == 404
        assert "use one of streamer, streamer-draft" in unknown.json()["error"]["message"]


def test_they_want_the_token() -> None:
    with ServerThread(ServerOptions(token="s3cret")) as server:
        for path in ("v1/models", "v1/models/streamer"):
            assert httpx.get(server.http_url + path).status_code == 401
            answer = httpx.get(server.http_url + path, headers={"Authorization": "Bearer s3cret"})
            assert answer.status_code == 200
