"""Every way a client can get it wrong, over a real server and a real websocket."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from streamer.app import ServerOptions
from streamer.protocol.frames import HEADER, encode_frame
from streamer.protocol.messages import Encoding
from tests.fakes import eventually, tone
from tests.serving import ServerThread

START = '{"type":"start"}'
START_F32 = '{"type":"start","encoding":"pcm_f32le"}'
STOP = '{"type":"stop"}'
OPTIONS = ServerOptions(
    max_message_bytes=200_000,
    max_messages_per_s=20.0,
    idle_timeout_s=0.5,
    first_message_timeout_s=0.5,
    max_sessions=4,
    resume_s=0.1,
)


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread(OPTIONS) as server:
        yield server
        eventually(lambda: server.server.connections == 0)
        eventually(lambda: server.sample("streamer_sessions_active") == 0)
        assert all(recognizer.closed == 1 for recognizer in server.engine.recognizers)


@pytest.fixture(scope="module")
def guarded() -> Iterator[ServerThread]:
    with ServerThread(ServerOptions(token="right", max_sessions=1)) as server:
        yield server


def talk(url: str, *messages: str | bytes) -> tuple[list[dict[str, object]], int | None]:
    """Send everything; the events that came back, and the close code."""
    events: list[dict[str, object]] = []
    with connect(url, max_size=None) as websocket:
        try:
            for message in messages:
                websocket.send(message)
            while True:
                events.append(json.loads(websocket.recv(timeout=20)))
        except ConnectionClosed:
            # A close that came while we sent leaves events to be read.
            events += [json.loads(text) for text in _rest(websocket)]
        return events, websocket.close_code


def _rest(websocket: ClientConnection) -> Iterator[str]:
    while True:
        try:
            yield str(websocket.recv(timeout=1))
        except (ConnectionClosed, TimeoutError):
            return


def read_on(websocket: ClientConnection) -> None:
    while True:
        websocket.recv(timeout=20)


def audio(
    seq: int, offset: int, samples: np.ndarray, encoding: Encoding = Encoding.PCM_S16LE
) -> bytes:
    return encode_frame(seq, offset, 0.0, samples.astype(np.float32), encoding)


GOOD = audio(0, 0, tone(0.7))
AFTER = len(tone(0.7))


def the_error(events: list[dict[str, object]]) -> dict[str, object]:
    (error,) = [event for event in events if event["type"] == "error"]
    assert len(str(error["message"])) > 20
    return error


@pytest.mark.parametrize(
    ("messages", "code", "says", "close"),
    [
        ((GOOD,), "not_started", "send a start message first", 4400),
        ((STOP,), "not_started", "send a start message first", 4400),
        (("not json",), "bad_message", "audio as binary", 4400),
        (("[]",), "bad_message", "not a JSON object", 4400),
        (('{"type":"listen"}',), "bad_message", "start, finalize, stop", 4400),
        (('{"type":"start","sample_rate":1}',), "bad_config", "sample_rate", 4400),
        (('{"type":"start","sample_rate":1000000}',), "bad_config", "sample_rate", 4400),
        (('{"type":"start","sample_rate":"fast"}',), "bad_config", "sample_rate", 4400),
        (('{"type":"start","model":"best"}',), "bad_config", "model", 4400),
        (('{"type":"start","decoder":"fused"}',), "bad_config", "decoder", 4400),
        (('{"type":"start","emotion":true,"emotion":false}',), "bad_config", "twice", 4400),
        (('{"type":"start","protocol_version":9}',), "bad_config", "protocol_version", 4400),
    ],
)
def test_before_the_session(
    server: ServerThread, messages: tuple[str | bytes, ...], code: str, says: str, close: int
) -> None:
    events, close_code = talk(server.url, *messages)
    error = the_error(events)
    assert (error["code"], error["fatal"], close_code) == (code, True, close)
    assert says in str(error["message"])


@pytest.mark.parametrize(
    ("bad", "code", "says", "close"),
    [
        (b"", "bad_frame", "24-byte header", 4400),
        (b"SA\1\0", "bad_frame", "24-byte header", 4400),
        (b"RIFF" + bytes(60), "bad_frame", "'SA'", 4400),
        (HEADER.pack(b"SA", 9, 0, 1, AFTER, 0.0) + b"\0\0", "bad_frame", "version 9", 4400),
        (HEADER.pack(b"SA", 1, 0, 1, AFTER, -1.0) + b"\0\0", "bad_frame", "capture time", 4400),
        (audio(1, AFTER, tone(0.1)) + b"\0", "bad_frame", "whole number", 4400),
        (audio(1, AFTER, np.zeros(0)), "bad_frame", "whole number", 4400),
        (audio(0, AFTER, tone(0.1)), "bad_frame", "repeats", 4400),
        (audio(1, 10, tone(0.1)), "bad_frame", "overlaps", 4400),
        (audio(1, 2**62, tone(0.1)), "bad_frame", "start a new session", 4400),
        (audio(1, AFTER, tone(5.1)), "bad_frame", "5000 ms", 4400),
        (bytes(250_000), "message_too_large", "200000 bytes", 1009),
        ("UklGRiQAAABXQVZF", "bad_message", "audio as binary", 4400),
        ('{"type":"audio","data":""}', "bad_message", "audio as binary", 4400),
        ('{"type":"stop","why":"x"}', "bad_message", "why", 4400),
    ],
)
def test_during_the_session_what_was_said_stays(
    server: ServerThread, bad: str | bytes, code: str, says: str, close: int
) -> None:
    events, close_code = talk(server.url, START, GOOD, bad)
    error = the_error(events)
    assert (error["code"], error["fatal"], close_code) == (code, True, close)
    assert says in str(error["message"])
    assert [event["text"] for event in events if event["type"] == "segment"] == ["w0 w8000"]
    assert [event["type"] for event in events][-2:] == ["error", "bye"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e9])
def test_bad_samples_cost_only_their_frame(server: ServerThread, bad: float) -> None:
    f32 = Encoding.PCM_F32LE
    events, close_code = talk(
        server.url,
        START_F32,
        audio(0, 0, tone(0.5), f32),
        audio(1, 8_000, np.full(8_000, bad), f32),
        audio(2, 16_000, tone(0.5), f32),
        STOP,
    )
    error = the_error(events)
    assert (error["code"], error["fatal"], close_code) == ("bad_samples", False, 1000)
    (loss,) = [event for event in events if event["type"] == "loss"]
    assert (loss["start_ms"], loss["lost_samples"]) == (500.0, 8_000)
    assert loss["reason"] == "bad_samples"
    texts = [event["text"] for event in events if event["type"] == "segment"]
    assert texts == ["w0", "w16000"]


def test_a_sequence_gap_is_told_and_timed(server: ServerThread) -> None:
    events, close_code = talk(
        server.url, START, audio(0, 0, tone(0.5)), audio(3, 24_000, tone(0.5)), STOP
    )
    error = the_error(events)
    assert (error["code"], error["fatal"], close_code) == ("sequence_gap", False, 1000)
    (loss,) = [event for event in events if event["type"] == "loss"]
    assert (loss["start_ms"], loss["lost_samples"], loss["reason"]) == (500.0, 16_000, "gap")
    texts = [event["text"] for event in events if event["type"] == "segment"]
    assert texts == ["w0", "w24000"]


def test_a_second_start_changes_nothing(server: ServerThread) -> None:
    events, close_code = talk(server.url, START, GOOD, START_F32, STOP)
    assert (the_error(events)["code"], close_code) == ("already_started", 1000)


def test_a_flood_of_small_messages(server: ServerThread) -> None:
    tiny = [audio(i, i * 16, tone(0.001)) for i in range(200)]
    events, close_code = talk(server.url, START, *tiny)
    assert (the_error(events)["code"], close_code) == ("rate_limited", 4429)


@pytest.mark.parametrize("messages", [(), (START,), (START, GOOD)])
def test_a_silent_client(server: ServerThread, messages: tuple[str | bytes, ...]) -> None:
    events, close_code = talk(server.url, *messages)
    assert (the_error(events)["code"], close_code) == ("idle_timeout", 4408)


def test_a_message_beyond_all_measure_is_cut_by_the_transport(server: ServerThread) -> None:
    _, close_code = talk(server.url, START, bytes(900_000))
    assert close_code == 1009


def test_invalid_utf8_text_closes_only_this_connection(server: ServerThread) -> None:
    with connect(server.url) as websocket:
        websocket.send(START)
        websocket.recv(timeout=20)
        websocket.socket.sendall(struct.pack("!BB4s2s", 0x81, 0x82, b"\0\0\0\0", b"\xff\xfe"))
        with pytest.raises(ConnectionClosed):
            read_on(websocket)
    assert talk(server.url, START, GOOD, STOP)[1] == 1000


@pytest.mark.parametrize("query", ["", "?token=wrong", "?token="])
def test_wrong_token(guarded: ServerThread, query: str) -> None:
    events, close_code = talk(guarded.url + query)
    assert (the_error(events)["code"], close_code) == ("unauthorized", 4401)
    assert "right" not in str(events)


def test_too_many_sessions(guarded: ServerThread) -> None:
    url = guarded.url + "?token=right"
    with connect(url) as websocket:
        websocket.send(START)
        websocket.recv(timeout=20)
        events, close_code = talk(url, START)
    assert (the_error(events)["code"], close_code) == ("too_many_sessions", 4503)
