"""Programs written for servers with faster-whisper behind OpenAI's API: `openai` with another
`base_url`, and the models' names on the hub."""

from __future__ import annotations

import httpx
import pytest
from openai import NotFoundError, OpenAI

from tests.contract.conftest import Speech, ours
from tests.serving import ServerThread

LARGE = "Systran/faster-whisper-large-v3"
TINY = "Systran/faster-whisper-tiny.en"


@pytest.fixture
def client(server: ServerThread) -> OpenAI:
    return OpenAI(api_key="cant-be-empty", base_url=f"{server.http_url}v1/", max_retries=0)


def test_what_they_ask_first(server: ServerThread, client: OpenAI) -> None:
    assert httpx.get(f"{server.http_url}health").status_code == 200
    assert [model.id for model in client.models.list()] == [
        "streamer",
        "streamer-draft",
        "streamer-fused",
    ]
    found = client.models.retrieve(LARGE)
    assert (found.id, found.object) == (LARGE, "model")
    assert ours(found, "answered_by") == "streamer-fused"
    with pytest.raises(NotFoundError, match="use one of streamer, streamer-draft"):
        client.models.retrieve("streamer-best")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "answered_by"), [(LARGE, "streamer-fused"), (TINY, "streamer-draft")]
)
def test_a_recording(client: OpenAI, speech: Speech, model: str, answered_by: str) -> None:
    answer = client.audio.transcriptions.with_raw_response.create(
        file=speech.path,
        model=model,
        language="en",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        extra_body={"vad_filter": True},
    )
    assert answer.headers["streamer-model"] == answered_by
    told = answer.parse()
    assert speech.errors_in(told.text) <= 0.15
    assert told.words is not None
    assert len(told.words) == len(told.text.split())


@pytest.mark.slow
def test_words_as_they_come_with_their_log_probabilities(client: OpenAI, speech: Speech) -> None:
    *deltas, done = client.audio.transcriptions.create(
        file=speech.path, model=LARGE, stream=True, include=["logprobs"]
    )
    assert done.type == "transcript.text.done"
    assert speech.errors_in(done.text) <= 0.15
    said = [event.delta for event in deltas if event.type == "transcript.text.delta"]
    assert len(said) == len(deltas)
    assert "".join(said) == done.text
    logprobs = done.logprobs or []
    assert " ".join(one.token or "" for one in logprobs) == done.text
    assert all((one.logprob or 0) <= 0 for one in logprobs)


@pytest.mark.slow
def test_english_is_translated_into_english(client: OpenAI, speech: Speech) -> None:
    answer = client.audio.translations.with_raw_response.create(file=speech.path, model=LARGE)
    assert answer.headers["streamer-model"] == "streamer-fused"
    assert speech.errors_in(answer.parse().text) <= 0.3


@pytest.mark.slow
def test_an_empty_language_counts_as_none(client: OpenAI, speech: Speech) -> None:
    answer = client.audio.transcriptions.with_raw_response.create(
        file=speech.path, model=TINY, language=""
    )
    assert speech.errors_in(answer.parse().text) <= 0.15
    assert answer.headers["streamer-warning"] == "language: is empty, and counts as left out"
