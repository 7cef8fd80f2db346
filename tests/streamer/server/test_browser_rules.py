"""Pages from elsewhere over HTTP: those that may open websockets may ask, others may not."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from streamer.app import ServerOptions
from tests.serving import ServerThread

FRIEND = "https://captions.example"
STRANGER = "https://elsewhere.example"


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    options = ServerOptions(allow_origin=(f"{FRIEND.upper()}/",), token="s3cret")
    with ServerThread(options) as running:
        yield running


def preflight(server: ServerThread, origin: str, **more: str) -> httpx.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os",
        **more,
    }
    return httpx.options(f"{server.http_url}v1/audio/transcriptions", headers=headers)


def test_a_page_that_was_allowed_may_ask(server: ServerThread) -> None:
    answer = preflight(server, FRIEND, **{"Access-Control-Request-Private-Network": "true"})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == FRIEND
    assert "x-stainless-os" in answer.headers["access-control-allow-headers"]
    assert answer.headers["access-control-allow-private-network"] == "true"
    headers = {"Origin": FRIEND, "Authorization": "Bearer s3cret"}
    models = httpx.get(f"{server.http_url}v1/models", headers=headers)
    assert models.status_code == 200
    assert models.headers["access-control-allow-origin"] == FRIEND
    assert "streamer-model" in models.headers["access-control-expose-headers"]
    assert models.headers["x-content-type-options"] == "nosniff"


def test_refusals_can_be_read_too(server: ServerThread) -> None:
    answer = httpx.get(f"{server.http_url}v1/models", headers={"Origin": FRIEND})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == FRIEND


def test_other_pages_may_not(server: ServerThread) -> None:
    assert preflight(server, STRANGER).status_code == 400
    headers = {"Origin": STRANGER, "Authorization": "Bearer s3cret"}
    for path in ("v1/models", "health", "openapi.json"):
        answer = httpx.get(server.http_url + path, headers=headers)
        assert "access-control-allow-origin" not in answer.headers
    assert httpx.get(f"{server.http_url}v1/models", headers=headers).status_code == 401


def test_without_a_page_that_was_allowed_none_may() -> None:
    with ServerThread() as server:
        assert preflight(server, FRIEND).status_code == 400
    with ServerThread(ServerOptions(allow_origin=("*",))) as server:
        assert preflight(server, STRANGER).headers["access-control-allow-origin"] == "*"
        bad_host = {"Host": "rebound.example", "Origin": STRANGER}
        assert httpx.get(f"{server.http_url}v1/models", headers=bad_host).status_code == 421
