"""What the description says, held against what the server does."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest
import soundfile
from openapi_spec_validator import validate
from starlette.routing import Mount, Route

from tests.fakes import tone
from tests.serving import ServerThread

NOT_TOLD = {"/", "/overlay", "/read", "/history", "/docs", "/openapi.json"}
"""Pages, and the description itself."""


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread() as running:
        yield running


@pytest.fixture(scope="module")
def document(server: ServerThread) -> Any:
    return httpx.get(f"{server.http_url}openapi.json").json()


def wav() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, tone(1.0), 16_000, format="WAV")
    return file.getvalue()


def test_it_is_openapi(document: Any) -> None:
    validate(document)


def test_every_route_is_told(server: ServerThread, document: Any) -> None:
    there = {
        (re.sub(r":\w+}", "}", route.path).replace("{name}", "{model}"), method.lower())
        for route in server._app.routes
        if isinstance(route, Route) and not isinstance(route, Mount)
        for method in (route.methods or set()) - {"HEAD"}
        if route.path not in NOT_TOLD
    }
    told = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert told == there


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("get", "/v1/models", {}),
        ("get", "/v1/models/Systran%2Ffaster-whisper-small", {}),
        ("get", "/v1/models/streamer-best", {}),
        ("get", "/health", {}),
        ("post", "/v1/audio/transcriptions", {"data": {"include[]": "logprobs"}}),
        ("post", "/v1/audio/transcriptions", {"data": {"response_format": "verbose_json"}}),
        ("post", "/v1/audio/transcriptions", {"data": {"language": "tlh"}}),
        ("post", "/v1/audio/translations", {"data": {}}),
        ("post", "/v1/listen?utterances=true&paragraphs=true&detect_language=true", {}),
        ("post", "/v1/listen?language=tlh", {}),
    ],
)
def test_answers_have_the_shape_that_is_told(
    server: ServerThread, document: Any, method: str, path: str, more: dict[str, Any]
) -> None:
    if "data" in more:
        more = more | {"files": {"file": ("a.wav", wav())}}
    elif method == "post":
        more = {"content": wav()}
    answer = httpx.request(method, server.http_url + path[1:], timeout=30, **more)
    path = re.sub(r"models/.*", "models/{model}", path.partition("?")[0])
    responses = document["paths"][path][method]["responses"]
    schema = responses[str(answer.status_code)]["content"]["application/json"]["schema"]
    jsonschema.validate(answer.json(), schema | {"components": document["components"]})


def test_a_server_that_shuts_down_says_so(
    server: ServerThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert httpx.get(f"{server.http_url}health").json() == {"status": "ok"}
    monkeypatch.setattr(server.server, "draining", True)
    answer = httpx.get(f"{server.http_url}health")
    assert (answer.status_code, answer.json()) == (503, {"status": "shutting down"})


def test_the_page_tells_it_to_people(server: ServerThread, document: Any) -> None:
    page = httpx.get(f"{server.http_url}docs")
    assert page.headers["content-type"].startswith("text/html")
    for path in document["paths"]:
        assert f" {path}</code>" in page.text
    assert set(re.findall(r'href="#(\w+)"', page.text)) <= set(re.findall(r'id="(\w+)"', page.text))
    # Nothing that the content security policy would stop.
    assert "<script" not in page.text
    assert "style=" not in page.text
    assert not re.search(r'(href|src)="(?!/|#|data:)', page.text)
    stylesheet = re.findall(r'stylesheet" href="(.+?)"', page.text)[0]
    assert httpx.get(server.http_url.rstrip("/") + stylesheet).status_code == 200
