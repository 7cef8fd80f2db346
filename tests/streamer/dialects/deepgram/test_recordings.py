"""Deepgram's recordings over a real socket; `tests/contract` has the vendor's client."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from streamer.app import ServerOptions
from tests.fakes import FakeEngine, eventually, silence, tone
from tests.serving import ServerThread


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with ServerThread() as running:
        yield running


def wav(*channels: Any) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.stack(channels, axis=1), 16_000, format="WAV")
    return file.getvalue()


SECOND = wav(tone(1.0))
LEFT_FIRST = (
    np.concatenate([tone(1.0), silence(2.0)]),
    np.concatenate([silence(2.0), tone(0.5), silence(0.5)]),
)
"""Two speakers, one after the other."""


def post(server: ServerThread, body: bytes, query: str = "", **more: Any) -> httpx.Response:
    url = f"{server.http_url}v1/listen?{query}"
    return httpx.post(url, content=body, timeout=30, **more)


def transcripts(answer: httpx.Response) -> list[str]:
    channels = answer.json()["results"]["channels"]
    return [channel["alternatives"][0]["transcript"] for channel in channels]


def test_a_recording_is_heard(server: ServerThread) -> None:
    answer = post(server, SECOND, "model=nova-3", headers={"Content-Type": "audio/wav"})
    assert transcripts(answer) == ["w0 w8000"]
    metadata = answer.json()["metadata"]
    assert metadata["duration"] == 1.0
    assert metadata["sha256"] == hashlib.sha256(SECOND).hexdigest()
    assert metadata["models"] == ["streamer-draft"]
    assert metadata["model_info"]["streamer-draft"]["name"] == "nova-3"
    assert metadata["request_id"] == answer.headers["dg-request-id"]
    assert answer.headers["streamer-model"] == "streamer-draft"
    assert "streamer-warning" not in answer.headers
    eventually(lambda: server.server.places.taken == 0)


def test_samples_without_a_container(server: ServerThread) -> None:
    raw = (np.stack([tone(1.0), silence(1.0)], axis=1) * 32_767).astype("<i2").tobytes()
    query = "encoding=linear16&sample_rate=16000&channels=2"
    assert transcripts(post(server, raw, query)) == ["w0 w8000"]
    assert transcripts(post(server, raw, f"{query}&multichannel=true")) == ["w0 w8000", ""]
    assert transcripts(post(server, b"\xff" * 8_000, "encoding=mulaw")) == [""]


def test_each_channel_is_heard_by_itself(server: ServerThread) -> None:
    query = "multichannel=true&utterances=true"
    answer = post(server, wav(*LEFT_FIRST), query)
    assert transcripts(answer) == ["w0 w8000", "w32000"]
    assert server.sample("streamer_sessions_total") == 2
    assert answer.json()["metadata"]["channels"] == 2
    spoken = [(u["channel"], u["start"], u["end"]) for u in answer.json()["results"]["utterances"]]
    assert spoken == [(0, 0.0, 1.0), (1, 2.0, 2.5)]
    assert transcripts(post(server, wav(*LEFT_FIRST))) == ["w0 w8000 w32000"]  # mixed


def test_more_channels_than_there_are_places_are_refused() -> None:
    with ServerThread(ServerOptions(max_sessions=2)) as server:
        answer = post(server, wav(tone(1), tone(1), tone(1)), "multichannel=true")
        assert answer.status_code == 400
        assert "3 channels are as many sessions, and this server has 2" in answer.json()["err_msg"]
        eventually(lambda: server.server.places.taken == 0)
        assert transcripts(post(server, wav(*LEFT_FIRST), "multichannel=true"))[1] == "w32000"


def test_too_few_places_are_told() -> None:
    with ServerThread(ServerOptions(max_sessions=2)) as server:
        place = server.server.places.reserve()
        answer = post(server, wav(*LEFT_FIRST), "multichannel=true")
        assert answer.status_code == 429
        assert "all 2 sessions are taken" in answer.json()["err_msg"]
        assert transcripts(post(server, wav(*LEFT_FIRST))) == ["w0 w8000 w32000"]
        place.release()
        eventually(lambda: server.server.places.taken == 0)


def test_if_one_channel_breaks_all_end() -> None:
    engine = FakeEngine()
    engine.fail_at_step = 1
    with ServerThread(engine=engine) as server:
        answer = post(server, wav(*LEFT_FIRST), "multichannel=true")
        assert answer.status_code == 500
        eventually(lambda: all(recognizer.closed == 1 for recognizer in engine.recognizers))
        eventually(lambda: server.server.places.taken == 0)


def test_a_client_that_leaves_frees_its_places() -> None:
    engine = FakeEngine()
    with ServerThread(engine=engine) as server:
        engine.hold.clear()
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{server.http_url}v1/listen?multichannel=true",
                content=wav(*LEFT_FIRST),
                timeout=0.5,
            )
        eventually(lambda: len(engine.recognizers) == 2)
        engine.hold.set()
        eventually(lambda: all(recognizer.closed == 1 for recognizer in engine.recognizers))
        eventually(lambda: server.server.places.taken == 0)


def test_paragraphs_and_warnings(server: ServerThread) -> None:
    answer = post(server, wav(LEFT_FIRST[0]), "paragraphs=true&keyterm=&keywords=a:-1")
    (channel,) = answer.json()["results"]["channels"]
    told = channel["alternatives"][0]["paragraphs"]
    assert told["transcript"] == "w0 w8000"
    (paragraph,) = told["paragraphs"]
    assert paragraph["sentences"] == [{"text": "w0 w8000", "start": 0.0, "end": 1.0}]
    warnings = answer.json()["metadata"]["warnings"]
    assert [warning.partition(":")[0] for warning in warnings] == ["keyterm", "keywords"]
    assert answer.headers["streamer-warning"] == "; ".join(warnings)


def test_the_language_that_was_spoken_is_told(server: ServerThread) -> None:
    (channel,) = post(server, SECOND, "detect_language=true").json()["results"]["channels"]
    assert (channel["detected_language"], channel["language_confidence"]) == ("de", 0.9)
    (channel,) = post(server, SECOND, "language=multi").json()["results"]["channels"]
    assert "detected_language" not in channel
    assert channel["alternatives"][0]["languages"] == ["de"]


@pytest.mark.parametrize(
    ("body", "query", "kind", "advice"),
    [
        (b"no audio at all", "", "audio/wav", "body: is not audio that can be read"),
        (b"", "", "audio/wav", "body: is empty"),
        (b'{"url": "http://elsewhere"}', "", "application/json", "send the recording itself"),
        (SECOND, "model=streamer-best", "audio/wav", "use one of streamer, streamer-draft"),
        (SECOND, "callback=http://elsewhere", "audio/wav", "callback: results only come"),
    ],
)
def test_what_is_not_to_be_had_is_refused_with_advice(
    server: ServerThread, body: bytes, query: str, kind: str, advice: str
) -> None:
    answer = post(server, body, query, headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert advice in answer.json()["err_msg"]
    assert "/tmp" not in answer.text
    assert answer.headers["dg-error"] == answer.json()["err_msg"]
    eventually(lambda: server.server.places.taken == 0)


def test_recordings_have_a_limit_and_want_the_token() -> None:
    with ServerThread(ServerOptions(max_upload_bytes=1_000, token="s3cret")) as server:
        assert post(server, SECOND).status_code == 401
        answer = post(server, SECOND, headers={"Authorization": "Token s3cret"})
        assert answer.status_code == 413
        assert "larger than 1000 bytes" in answer.json()["err_msg"]
