"""The client without asyncio, against a real server with fake models."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from streamer.app import ServerOptions
from streamer.client import ConnectionLostError, ServerRefusedError, StartMessage
from streamer.client.blocking import connect, transcribe
from streamer.client.files import RecordingError
from streamer.protocol.messages import ByeEvent, ReadyEvent, SegmentEvent, ServerEvent
from tests.fakes import eventually, tone
from tests.serving import ServerThread


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with ServerThread(ServerOptions(token="s3cret")) as server:
        yield server
        eventually(lambda: server.server.connections == 0)


def test_a_session_from_start_to_bye(server: ServerThread) -> None:
    with connect(server.http_url, token="s3cret") as client:
        assert client.ready is not None
        assert client.connected
        client.send_audio(tone(1.2))
        client.finalize()
        events = iter(client)
        first = [next(events)]
        while not isinstance(first[-1], SegmentEvent):
            first.append(next(events))
        before = client.transcript
        client.skip_audio(8_000)
        client.send_audio(tone(0.5), capture_time_ms=1.0)
        bye = client.stop()
        rest = list(client)
    assert isinstance(first[0], ReadyEvent)
    assert rest[-1] == bye == client.bye
    assert before.text == "w0 w8000 w16000"
    # What was received can be read when all is over.
    assert client.transcript.text == "w0 w8000 w16000 w27200"
    assert (client.lost_samples, client.gaps) == (8_000, ())
    with pytest.raises(RuntimeError, match="inside its `with` block"):
        client.send_audio(tone(0.1))


def test_one_thread_sends_while_another_reads(server: ServerThread) -> None:
    with connect(server.url, StartMessage(live=False), token="s3cret") as client:

        def send() -> None:
            for _ in range(20):
                client.send_audio(tone(0.1))
            client.stop()

        sending = threading.Thread(target=send)
        sending.start()
        types = [event.type for event in client]
        sending.join()
    assert types[0] == "ready"
    assert types[-1] == "bye"
    assert len(client.transcript.words) == 4


def test_errors_arrive_in_the_caller(server: ServerThread) -> None:
    with (
        pytest.raises(ServerRefusedError, match="token missing or wrong"),
        connect(server.url, token="wrong"),
    ):
        pytest.fail("should not open")
    with pytest.raises(ConnectionLostError, match="cannot connect"), connect("127.0.0.1:9"):
        pytest.fail("should not open")
    with pytest.raises(ValueError, match="is no address"), connect("ftp://x"):
        pytest.fail("should not open")

    server.engine.fail_at_step = 3
    with connect(server.url, token="s3cret") as client:
        client.send_audio(tone(2.0))
        events: list[ServerEvent] = []
        with pytest.raises(ServerRefusedError, match="internal") as caught:
            events.extend(client)
        with pytest.raises(ServerRefusedError):
            client.stop()
    assert caught.value.transcript.text == "w0"


def test_an_error_of_the_program_ends_the_session(server: ServerThread) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        connect(server.url, token="s3cret") as client,
    ):
        client.send_audio(tone(1 / 0))
    eventually(lambda: server.server.connections == 0)


@pytest.fixture
def handles_ctrl_c() -> Iterator[None]:
    """As at a terminal: a shell that starts the tests in the background has SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("handles_ctrl_c")
def test_ctrl_c_ends_waiting(server: ServerThread) -> None:
    threads = set(threading.enumerate())
    inside = threading.Event()

    def press() -> None:
        inside.wait(20)
        os.kill(os.getpid(), signal.SIGINT)

    def listen() -> None:
        with connect(server.url, token="s3cret") as client:
            inside.set()
            for _ in client:  # nothing is said: this waits for ever
                pass

    pressing = threading.Thread(target=press)
    pressing.start()
    with pytest.raises(KeyboardInterrupt):
        listen()
    pressing.join()
    assert set(threading.enumerate()) <= threads


def test_transcribe(server: ServerThread, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(1.0, 44_100), 44_100)
    transcript = transcribe(tmp_path / "a.wav", server.url, token="s3cret")
    assert transcript.text == "w0 w8000"
    with pytest.raises(RecordingError, match="cannot be read"):
        transcribe(tmp_path / "missing.wav", server.url)


async def test_it_works_where_a_loop_runs_already(server: ServerThread, tmp_path: Path) -> None:
    """As in a notebook."""
    soundfile.write(tmp_path / "a.wav", tone(1.0), 16_000)
    assert transcribe(tmp_path / "a.wav", server.url, token="s3cret").text == "w0 w8000"
    with connect(server.url, token="s3cret") as client:
        assert isinstance(client.stop(), ByeEvent)
