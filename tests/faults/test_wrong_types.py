"""Values of a type, or numbers of a kind, that nobody reckons with: typed errors, the right close
codes, and a quiet log."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from streamer.dialects.wyoming.codec import lengths
from streamer.protocol.errors import ProtocolError
from tests.conversations import log_records, said, talk
from tests.fakes import FakeEngine, eventually
from tests.serving import ServerThread

HALF = "Quetzalcoatl\ud800"
SHAPE = {"rate": 16_000, "width": 2, "channels": 1}
NAN, INFINITY = float("nan"), float("inf")


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    made = FakeEngine()
    yield made
    made.close()


async def answers(
    engine: FakeEngine, protocol: str, *messages: str | bytes
) -> tuple[list[dict[str, Any]], tuple[int, str] | None]:
    """The errors that the client is told, and how it was closed."""
    with log_records() as records:
        socket = await talk(engine, protocol, messages)
    told = [said(record) for record in records]
    assert [one for one, record in zip(told, records, strict=True) if record.levelno > 20] == []
    assert "Quetzalcoatl" not in " ".join(told)
    return [event for event in socket.sent if event["type"].lower() == "error"], socket.closed


def audio_input(**given: Any) -> str:
    session = {"type": "transcription", "audio": {"input": given}}
    return json.dumps({"type": "session.update", "session": session})


def beta(**given: Any) -> str:
    return json.dumps({"type": "transcription_session.update", "session": given})


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        (audio_input(format={"type": []}), "invalid_value", "session.audio.input.format.type"),
        (audio_input(format={"type": {}}), "invalid_value", "session.audio.input.format.type"),
        (audio_input(format={"type": True}), "invalid_value", "session.audio.input.format.type"),
        (audio_input(format={"rate": True}), "invalid_value", "session.audio.input.format.rate"),
        (audio_input(format={"rate": 2**63}), "invalid_value", "session.audio.input.format.rate"),
        (audio_input(format={"rate": 16e3}), "invalid_value", "session.audio.input.format.rate"),
        (audio_input(format=[]), "invalid_value", "session.audio.input.format"),
        (audio_input(transcription=7), "invalid_value", "session.audio.input.transcription"),
        (
            audio_input(transcription={"model": ["whisper-1"]}),
            "invalid_value",
            "session.audio.input.transcription.model",
        ),
        (
            audio_input(transcription={"languages": [["en"]]}),
            "invalid_value",
            "session.audio.input.transcription.languages",
        ),
        (
            audio_input(transcription={"keywords": [1]}),
            "invalid_value",
            "session.audio.input.transcription.keywords",
        ),
        (
            audio_input(transcription={"prompt": {"a": "b"}}),
            "invalid_value",
            "session.audio.input.transcription.prompt",
        ),
        (
            audio_input(turn_detection={"type": "server_vad", "silence_duration_ms": True}),
            "invalid_value",
            "session.audio.input.turn_detection.silence_duration_ms",
        ),
        (
            audio_input(turn_detection={"type": ["server_vad"]}),
            "invalid_value",
            "session.audio.input.turn_detection.type",
        ),
        (beta(input_audio_format=[]), "invalid_value", "session.input_audio_format"),
        (beta(input_audio_format={}), "invalid_value", "session.input_audio_format"),
        (
            audio_input(turn_detection={"type": "server_vad", "silence_duration_ms": NAN}),
            "invalid_json",
            None,
        ),
        (
            audio_input(turn_detection={"type": "server_vad", "silence_duration_ms": INFINITY}),
            "invalid_json",
            None,
        ),
        (audio_input(format={"rate": NAN}), "invalid_json", None),
        (audio_input(transcription={"prompt": HALF}), "invalid_json", None),
        (audio_input(transcription={"keywords": [HALF]}), "invalid_json", None),
        (json.dumps({"type": "input_audio_buffer.commit", "event_id": HALF}), "invalid_json", None),
        ('{"type": "session.update", "type": "session.update"}', "invalid_json", None),
        ('{"type": ' + "[" * 100_000, "invalid_json", None),
        ('{"type": "x", "y": ' + "[" * 50 + "]" * 50 + "}", "invalid_json", None),
        ('{"type": "x", "y": ' + "9" * 5_000 + "}", "invalid_json", None),
        ('{"type": {"a": []}}', "unknown_event", "type"),
        (
            '{"type": "input_audio_buffer.append", "audio": "\u00e9\u00e9"}',
            "invalid_value",
            "audio",
        ),
        ('{"type": "input_audio_buffer.append", "audio": ["AAAA"]}', "invalid_value", "audio"),
    ],
)
async def test_realtime_tells_what_is_wrong_and_goes_on(
    engine: FakeEngine, message: str, code: str, param: str | None
) -> None:
    errors, closed = await answers(engine, "realtime", message)
    assert [(one["error"]["code"], one["error"]["param"]) for one in errors] == [(code, param)]
    assert closed is None


@pytest.mark.parametrize("event_id", [{"a": 1}, ["x"], True, 7, "i" * 600])
async def test_an_id_that_is_none_is_not_sent_back(engine: FakeEngine, event_id: object) -> None:
    message = json.dumps({"type": "nothing", "event_id": event_id})
    errors, _ = await answers(engine, "realtime", message)
    assert errors[0]["error"]["event_id"] is None


@pytest.mark.parametrize(
    "message",
    [
        '{"type": []}',
        '{"type": "KeepAlive", "x": NaN}',
        '{"type": "Finalize", "type": "Finalize"}',
        '{"type": "\\ud800"}',
        "[" * 100_000,
        '{"type": "KeepAlive", "y": ' + "9" * 5_000 + "}",
    ],
)
async def test_deepgram_tells_what_is_wrong_and_goes_on(engine: FakeEngine, message: str) -> None:
    errors, closed = await answers(engine, "deepgram", message)
    assert [error["variant"] for error in errors] == ["SchemaError"]
    assert closed is None


def event(kind: str, data: object, **header: Any) -> bytes:
    return json.dumps({"type": kind, "data": data, **header}).encode() + b"\n"


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (event("audio-start", SHAPE | {"width": True}), "must be whole numbers"),
        (event("audio-start", SHAPE | {"rate": True}), "must be whole numbers"),
        (event("audio-start", SHAPE | {"channels": True}), "must be whole numbers"),
        (event("audio-start", SHAPE | {"rate": 2**62}), "out of range"),
        (event("audio-start", SHAPE | {"rate": NAN}), "not finite"),
        (event("audio-chunk", {}), "must be whole numbers"),
        (event("audio-chunk", SHAPE | {"width": [2]}), "must be whole numbers"),
        (event("transcribe", {"name": {"a": 1}}), "name: must be a string"),
        (event("transcribe", {"language": ["en"]}), "language: must be a string"),
        (event("transcribe", {"transcript_names": {"Ada": 1}}), "must be a list of strings"),
        (event("transcribe", {"transcript_names": [HALF]}), "surrogate"),
        (event("ping", {"text": HALF}), "surrogate"),
        (event("ping", [1]), "data an object"),
        (event("ping", {}, data_length=True) + b"{", "data_length must be a whole number"),
        (event("ping", {}, data_length=[1]), "data_length must be a whole number"),
        (event("ping", {}, data_length=2) + b"\xff\xfe", "is not JSON"),
        (event("ping", {}, data_length=2) + b"[]", "is not a JSON object"),
        (b'{"type": "ping", "type": "describe"}\n', "gives type twice"),
        (b'\xff{"type": "ping"}\n', "is not JSON"),
        (b"[" * 60_000 + b"\n", "is not JSON"),
    ],
)
async def test_wyoming_tells_what_is_wrong_and_hangs_up(
    engine: FakeEngine, sent: bytes, says: str
) -> None:
    errors, closed = await answers(engine, "wyoming", sent)
    assert says in errors[0]["data"]["text"]
    assert errors[0]["data"]["code"] in ("bad_message", "bad_config")
    assert closed == (4400, errors[0]["data"]["code"])


def test_lengths_are_checked_before_they_are_waited_for() -> None:
    for length in ("true", "-1", "1.5", "1e999", "[1]", '"1"', "9" * 30):
        for name in ("data_length", "payload_length"):
            with pytest.raises(ProtocolError):
                lengths(f'{{"{name}": {length}}}'.encode())
    assert lengths(b'{"data_length": 3, "payload_length": null}') == 3


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('{"type": "start", "silence_ms": NaN}', "bad_message"),
        ('{"type": "start", "silence_ms": true}', "bad_config"),
        ('{"type": "start", "context": "Quetzalcoatl\\ud800"}', "bad_message"),
        ('{"type": "start", "Quetzalcoatl\\ud800": 1}', "bad_message"),
        ('{"type": "start", "hot_words": {"Quetzalcoatl": 1}}', "bad_config"),
        ('{"type": "resume", "session_id": "\\ud800", "resume_token": "x"}', "bad_message"),
        ('{"type": "resume", "session_id": ["x"], "resume_token": "x"}', "bad_config"),
        ('{"type": ["start"]}', "bad_message"),
    ],
)
async def test_native_tells_what_is_wrong_and_closes(
    engine: FakeEngine, message: str, code: str
) -> None:
    errors, closed = await answers(engine, "native", message)
    assert [error["code"] for error in errors] == [code]
    assert closed == (4400, code)


def test_text_that_is_no_utf_8_leaves_one_line_in_the_log() -> None:
    with ServerThread() as server, log_records() as records:
        with connect(server.url) as websocket:
            websocket.socket.sendall(struct.pack("!BB4s4s", 0x81, 0x84, bytes(4), b"Q\xff\xfeq"))
            with pytest.raises(ConnectionClosed) as closed:
                websocket.recv(timeout=20)
        eventually(lambda: server.server.connections == 0)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1007
    told = [said(record) for record in records if record.levelno > 20]
    assert len(told) <= 1
    assert all("\n" not in line and "0xff" not in line for line in told)
