"""What a native client may ask of languages, and what it is told."""

from __future__ import annotations

from typing import Any

import pytest

from streamer.protocol.messages import StartMessage
from streamer.recognition.contract import Decoder
from tests.fakes import tone
from tests.streamer.hosting.bench import STOP, Bench, frame, newest_seq, resume, send, until


def start(**fields: Any) -> dict[str, Any]:
    return {"type": "start", **fields}


@pytest.mark.parametrize(
    ("asked", "language"),
    [({}, "en"), ({"language": "de-AT"}, "de"), ({"language": "German"}, "de")],
)
async def test_the_language_of_a_session_is_told(
    bench: Bench, asked: dict[str, str], language: str
) -> None:
    _, ready = await bench.opened(start(**asked))
    assert ready["language"] == language
    assert bench.engine.recognizers[0].options.language == language
    assert bench.engine.recognizers[0].options.task == "transcribe"


async def test_a_task_reaches_the_recognizer(bench: Bench) -> None:
    await bench.opened(start(language="de", task="translate"))
    assert bench.engine.recognizers[0].options.task == "translate"


async def test_what_is_found_out_is_told_those_who_come_back_and_those_who_follow(
    bench: Bench,
) -> None:
    speaker, ready = await bench.opened(start(language="auto"))
    assert ready["language"] == "auto"
    send(speaker, frame(0, 0, tone(1.2)))
    await bench.idle()
    await until(lambda: speaker.of("words"))
    assert [(e["language"], e["probability"]) for e in speaker.of("language")] == [("de", 0.9)]
    follower = await bench.follow(ready["follow_id"])
    assert [event["language"] for event in follower.of("language")] == ["de"]
    again, _ = await bench.opened(resume(ready))
    await until(lambda: again.of("words"))
    assert [event["language"] for event in again.of("language")] == ["de"]
    assert newest_seq(again) >= newest_seq(speaker)
    send(again, STOP)
    await until(lambda: again.closed)


async def test_an_unknown_language_is_refused_with_those_there_are(bench: Bench) -> None:
    socket, answer = await bench.opened(start(language="tlh"))
    await until(lambda: socket.closed)
    assert (answer["code"], answer["fatal"]) == ("bad_config", True)
    assert answer["message"] == "language: 'tlh' is not known; use auto, or one of de, en"


@pytest.mark.parametrize(
    ("language", "decoder"), [("en", "fused"), ("auto", "fused"), ("de", "draft"), (None, "fused")]
)
async def test_the_llm_has_a_say_in_english_alone(
    bench: Bench, language: str | None, decoder: Decoder
) -> None:
    bench.engine.default_decoder = "fused"
    assert bench.registry.decoder(StartMessage(language=language)) == decoder
