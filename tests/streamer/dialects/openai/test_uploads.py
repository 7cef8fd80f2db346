"""Uploads over a real socket; `tests/contract` has the vendor's client."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from streamer.app import ServerOptions
from tests.fakes import FakeEngine, eventually, tone
from tests.serving import ServerThread


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with ServerThread() as running:
        yield running


def wav(seconds: float) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, tone(seconds), 16_000, format="WAV")
    return file.getvalue()


def post(server: ServerThread, seconds: float, **fields: Any) -> httpx.Response:
    url = f"{server.http_url}v1/audio/transcriptions"
    files = {"file": ("a.wav", wav(seconds))}
    return httpx.post(url, data=fields, files=files, timeout=30)


def test_everything_is_heard(server: ServerThread) -> None:
    answer = post(server, 10.3).json()
    assert len(answer["text"].split()) == 21
    assert answer["usage"] == {"type": "duration", "seconds": 10.3}
    assert server.sample("streamer_sessions_total") == 1
    assert server.sample("streamer_sessions_active") == 0


@pytest.mark.parametrize("name", ["include", "include[]"])
def test_emotion_is_for_those_who_ask(server: ServerThread, name: str) -> None:
    (silent,) = post(server, 1.0, response_format="verbose_json").json()["segments"]
    assert "emotion" not in silent
    asked = post(server, 1.0, response_format="verbose_json", **{name: "emotion"}).json()
    assert asked["segments"][0]["emotion"]["label"] == "happy"
    assert [r.options.emotion for r in server.engine.recognizers] == [False, True]


def test_a_server_without_emotions_says_so() -> None:
    with ServerThread(ServerOptions(emotion="off")) as server:
        refused = post(server, 1.0, include="emotion")
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "include"


def test_words_are_sent_while_it_is_being_heard() -> None:
    engine = FakeEngine()
    with ServerThread(engine=engine) as server:
        url = f"{server.http_url}v1/audio/transcriptions"
        files = {"file": ("a.wav", wav(2.0))}
        with httpx.stream("POST", url, data={"stream": "true"}, files=files, timeout=30) as answer:
            lines = answer.iter_lines()
            first = json.loads(next(lines).removeprefix("data: "))
            assert first == {"type": "transcript.text.delta", "delta": "w0"}
            rest = [json.loads(line.removeprefix("data: ")) for line in lines if line]
    assert rest[-1]["text"] == "w0 w8000 w16000 w24000"
    assert "w0" + "".join(event["delta"] for event in rest[:-1]) == rest[-1]["text"]


@pytest.mark.parametrize("stream", ["false", "true"])
def test_a_client_that_leaves_frees_its_place(stream: str) -> None:
    engine = FakeEngine()
    with ServerThread(engine=engine) as server:
        engine.hold.clear()
        url = f"{server.http_url}v1/audio/transcriptions"
        files = {"file": ("a.wav", wav(2.0))}
        with (
            pytest.raises(httpx.ReadTimeout),
            httpx.stream("POST", url, data={"stream": stream}, files=files, timeout=0.5) as answer,
        ):
            answer.read()
        eventually(lambda: len(engine.recognizers) == 1)
        engine.hold.set()
        eventually(lambda: engine.recognizers[0].closed == 1)
        eventually(lambda: server.server.connections == 0)


def test_a_recognizer_that_breaks_is_told() -> None:
    engine = FakeEngine()
    engine.fail_at_step = 1
    with ServerThread(engine=engine) as server:
        answer = post(server, 2.0)
        assert answer.status_code == 500
        assert answer.json()["error"]["type"] == "server_error"
        streamed = post(server, 2.0, stream="true")
        assert streamed.status_code == 200
        assert json.loads(streamed.text.removeprefix("data: "))["error"]["code"] == "internal"


def test_without_a_recognizer_there_is_an_error() -> None:
    engine = FakeEngine()
    engine.broken = True
    with ServerThread(engine=engine) as server:
        answer = post(server, 1.0)
    assert answer.status_code == 500
    assert "could not be set up" in answer.json()["error"]["message"]


def test_without_a_place_there_is_no_upload() -> None:
    with ServerThread(ServerOptions(token="s3cret")) as server:
        assert post(server, 1.0).status_code == 401


def test_damaged_files_are_named_as_the_client_named_them(server: ServerThread) -> None:
    url = f"{server.http_url}v1/audio/transcriptions"
    flac = io.BytesIO()
    soundfile.write(flac, tone(5.0), 16_000, format="FLAC")
    cut = flac.getvalue()[: len(flac.getvalue()) // 2]
    answer = httpx.post(url, files={"file": ("talk.flac", cut)}, timeout=30)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("file: talk.flac: the audio is damaged")


def test_a_recording_has_some_length() -> None:
    with pytest.raises(ValueError, match="max_upload_s must be positive"):
        ServerOptions(max_upload_s=0.0)


@pytest.mark.parametrize("stream", ["false", "true"])
def test_a_recording_that_is_longer_than_its_bytes_tell_is_given_up(stream: str) -> None:
    flac = io.BytesIO()
    soundfile.write(flac, np.zeros(16_000 * 600, np.int16), 16_000, format="FLAC")
    assert len(flac.getvalue()) < 100_000
    with ServerThread(ServerOptions(max_upload_s=2.0)) as server:
        assert post(server, 2.0).status_code == 200
        url = f"{server.http_url}v1/audio/transcriptions"
        files = {"file": ("a.flac", flac.getvalue())}
        answer = httpx.post(url, data={"stream": stream}, files=files, timeout=30)
        assert "longer than 2 s; send it in parts" in answer.text
        assert answer.status_code == (413 if stream == "false" else 200)
        eventually(lambda: server.server.places.taken == 0)
        assert server.engine.recognizers[1].received_samples < 3 * 16_000


@pytest.mark.parametrize(
    "headers",
    [b"X-Long: " + b"a" * 1_000_000 + b"\r\n", b"X: a\r\n" * 100_000],
    ids=["one without end", "endlessly many"],
)
def test_the_headers_of_a_part_are_limited(server: ServerThread, headers: bytes) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'
    answer = httpx.post(
        f"{server.http_url}v1/audio/transcriptions",
        content=head + headers + b"\r\n" + wav(1.0) + b"\r\n--b--\r\n",
        headers={"content-type": "multipart/form-data; boundary=b"},
    )
    assert answer.status_code == 400
    assert "the form cannot be read" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("fields", "language"),
    [
        ({}, "english"),
        ({"language": "de-AT"}, "german"),
        ({"language": "auto"}, "german"),
        ({"languages": ["de", "en"]}, "german"),
    ],
)
def test_the_language_that_was_spoken_is_told(
    server: ServerThread, fields: dict[str, Any], language: str
) -> None:
    told = post(server, 1.0, response_format="verbose_json", **fields).json()
    assert (told["task"], told["language"]) == ("transcribe", language)


def test_the_answer_says_which_model_it_is_of(server: ServerThread) -> None:
    for stream in ("false", "true"):
        answer = post(server, 0.5, model="Systran/faster-whisper-small", stream=stream)
        assert answer.headers["streamer-model"] == "streamer-draft"
        assert "streamer-warning" not in answer.headers


def test_log_probabilities_are_told_to_those_who_ask(server: ServerThread) -> None:
    answer = post(server, 1.0, **{"include[]": "logprobs"})
    told = answer.json()["logprobs"]
    assert [one["token"] for one in told] == ["w0", "w8000"]
    assert told[0]["bytes"] == [119, 48]
    assert told[0]["logprob"] == pytest.approx(np.log(0.9), abs=1e-4)
    streamed = post(server, 1.0, stream="true", **{"include[]": "logprobs"}).text
    *deltas, done = [json.loads(line[6:]) for line in streamed.splitlines() if line]
    assert [one for delta in deltas for one in delta["logprobs"]] == done["logprobs"] == told
    assert "logprobs" not in post(server, 1.0).json()


@pytest.mark.parametrize(
    ("fields", "warned_of"),
    [
        ({"language": ""}, ["language"]),
        ({"keywords[]": ["", "Ada"]}, ["keywords"]),
        ({"include[]": "logprobs", "response_format": "verbose_json"}, ["include"]),
        ({"language": "", "keywords": ""}, ["language", "keywords"]),
    ],
)
def test_nothing_is_dropped_without_a_warning(
    server: ServerThread, fields: dict[str, Any], warned_of: list[str]
) -> None:
    answer = post(server, 0.5, **fields)
    assert answer.status_code == 200
    warnings = answer.headers["streamer-warning"].split("; ")
    assert [warning.partition(":")[0] for warning in warnings] == warned_of


def test_a_translation_is_of_whichever_is_spoken(server: ServerThread) -> None:
    url = f"{server.http_url}v1/audio/translations"
    data = {"response_format": "verbose_json"}
    told = httpx.post(url, data=data, files={"file": ("a.wav", wav(1.0))}, timeout=30).json()
    assert (told["task"], told["language"]) == ("translate", "german")
    (recognizer,) = server.engine.recognizers
    assert (recognizer.options.task, recognizer.options.language) == ("translate", "auto")
