"""`streamer mic`: a pretended microphone, a real server, captions in the output."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anyio.from_thread import start_blocking_portal

from streamer.cli.output.live.playlist import PLAYLIST
from streamer.client.microphone import MicrophoneError
from streamer.hosting.options import ServerOptions
from streamer.models.store.catalog import EMOTION
from streamer.transcript.written.options import WritingOptions
from tests.fake_audio import FakeAudio
from tests.fakes import eventually, silence, tone, wav_bytes
from tests.serving import ServerThread
from tests.sockets import cutting_proxy
from tests.streamer.cli.conftest import Run
from tests.streamer.cli.output.live.meeting import meeting
from tests.streamer.cli.output.live.playlists import read_playlist


@contextmanager
def once_heard(server: ServerThread, act: Any, steps: int = 2) -> Iterator[None]:
    """Do something when the server has heard a second of the microphone, or more steps."""

    def wait_and_act() -> None:
        recognizers = server.engine.recognizers
        eventually(lambda: recognizers and recognizers[0].steps >= steps)
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    yield
    thread.join()


def press_ctrl_c() -> None:
    # A command that has failed no longer handles the signal; the test run must survive that.
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_ends_with_the_last_words(run: Run, audio: FakeAudio, server: ServerThread) -> None:
    with once_heard(server, press_ctrl_c):
        words = ("--hot-word", "Ada", "--hot-word", "Nell")
        writing = ("--numbers", "--profanity-filter", "--redact", "pci")
        settings = ("--context", "A test.", "--decoder", "draft", *words, *writing)
        result = run("mic", "--url", server.http_url, *settings)
    assert result.exit_code == 0, result.output
    assert "w0 w8000" in result.stdout
    options = server.engine.recognizers[0].options
    assert (options.context, options.decoder) == ("A test.", "draft")
    assert options.hot_words == ("Ada", "Nell")
    assert options.writing == WritingOptions(
        numbers=True, profanity_filter=True, redact=frozenset({"pci"})
    )


def test_a_second_ctrl_c_does_not_wait(run: Run, audio: FakeAudio, server: ServerThread) -> None:
    def press_twice() -> None:
        server.engine.hold.clear()  # the server will not answer `stop`
        press_ctrl_c()
        eventually(lambda: signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        os.kill(os.getpid(), signal.SIGINT)

    with once_heard(server, press_twice):
        result = run("mic", "--url", server.url)
    assert result.exit_code == 130
    assert result.stderr == "error: stopped before the last words came\n"


def test_an_unplugged_microphone_is_told_after_the_last_words(
    run: Run, audio: FakeAudio, server: ServerThread
) -> None:
    with once_heard(server, audio.plugged_in.clear):
        result = run("mic", "--url", server.url)
    assert result.exit_code == 1
    assert "w0 w8000" in result.stdout
    assert result.stderr == "error: the microphone 'Webcam' stopped\n"


def test_final_captions_are_on_disk_while_the_next_are_spoken(
    run: Run, audio: FakeAudio, server: ServerThread, tmp_path: Path
) -> None:
    audio.sound = np.concatenate([tone(1.0), silence(1.0)])
    at_once: list[str] = []

    def saved(suffix: str) -> str:
        (path,) = tmp_path.glob(f"captions/*.{suffix}")
        return path.read_text(encoding="utf-8")

    def look_and_stop() -> None:
        eventually(lambda: saved("jsonl").count("\n") >= 2)
        at_once.extend(saved(suffix) for suffix in ("srt", "vtt", "txt"))
        press_ctrl_c()

    with once_heard(server, look_and_stop):
        result = run("mic", "--url", server.url, "--save", tmp_path / "captions")
    assert result.exit_code == 0, result.output
    srt, vtt, txt = at_once
    first = "00:00:00,000 --> 00:00:01,500\n(happy) w0 w8000\n"
    assert srt.startswith(f"1\n{first}\n2\n00:00:02,000 --> 00:00:03,500\n(happy) w32000 w40000\n")
    assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.500\n(happy) w0 w8000\n")
    assert txt.startswith("w0 w8000\nw32000 w40000\n")
    assert saved("txt").splitlines() == [
        json.loads(line)["text"] for line in saved("jsonl").splitlines()
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_captions_are_given_on_while_the_next_are_spoken(
    run: Run, audio: FakeAudio, server: ServerThread, tmp_path: Path
) -> None:
    audio.sound = np.concatenate([tone(1.0), silence(1.0)])

    def look_and_stop() -> None:
        eventually(lambda: len(held.texts) >= 2)
        assert not read_playlist(tmp_path / "hls" / PLAYLIST).ended
        press_ctrl_c()

    with meeting() as held:
        places = ("--to", f"zoom:{held.url}", "--to", f"hls:{tmp_path / 'hls'}")
        with once_heard(server, look_and_stop):
            result = run("mic", "--url", server.url, *places)
    assert result.exit_code == 0, result.output
    assert "".join(held.texts).startswith("w0 w8000\nw32000 w40000\n")
    playlist = read_playlist(tmp_path / "hls" / PLAYLIST)
    assert playlist.ended
    assert playlist.segments[0].cues[0].text == "(happy) w0 w8000"


def test_a_meeting_that_is_not_there_does_not_end_the_captions(
    run: Run, audio: FakeAudio, server: ServerThread
) -> None:
    with meeting() as held:
        place = f"zoom:{held.url}"
    with once_heard(server, press_ctrl_c):
        result = run("mic", "--url", server.url, "--to", place)
    assert result.exit_code == 1
    assert "w0 w8000" in result.stdout
    assert "--to zoom: it cannot be reached" in result.stderr
    assert "signature" not in result.output


def test_a_full_disk_does_not_end_the_captions(
    run: Run,
    audio: FakeAudio,
    server: ServerThread,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "strftime", lambda *wanted: "now")
    (tmp_path / "now.srt").symlink_to("/dev/full")
    audio.sound = np.concatenate([tone(0.5), silence(0.5)])

    def stop_after_three() -> None:
        eventually(lambda: len(server.engine.recognizers[0].ledger.segments) >= 3)
        press_ctrl_c()

    with once_heard(server, stop_after_three):
        result = run("mic", "--url", server.url, "--save", tmp_path)
    assert result.exit_code == 1
    assert result.stdout.count("(happy)") >= 3
    assert result.stderr == (
        f"error: the captions could not be written to {tmp_path}: No space left on device\n"
    )


def test_a_session_that_fails_keeps_what_was_committed(
    run: Run, audio: FakeAudio, server: ServerThread, tmp_path: Path
) -> None:
    server.engine.fail_at_step = 4
    result = run("mic", "--url", server.url, "--save", tmp_path)
    assert result.exit_code == 1
    assert "w0 w8000" in result.stdout
    (saved,) = tmp_path.glob("*.txt")
    assert saved.read_text().startswith("w0 w8000")


def test_a_cut_is_shown_and_survived(run: Run, audio: FakeAudio, server: ServerThread) -> None:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(cutting_proxy(server.url)) as proxy,
    ):

        def cut_and_stop() -> None:
            portal.call(proxy.cut)
            eventually(lambda: proxy.connections == 2)
            heard = server.engine.recognizers[0].received_samples
            eventually(lambda: server.engine.recognizers[0].received_samples > heard + 16_000)
            press_ctrl_c()

        with once_heard(server, cut_and_stop):
            result = run("mic", "--url", proxy.url)
    assert result.exit_code == 0, result.output
    lost, again, said = result.stdout.splitlines()
    assert (lost, again) == ("connection lost, reconnecting …", "connected again")
    assert "w0 w8000 w16000 w24000" in said


@pytest.fixture
def own_server_options(server: ServerThread, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Those with which the command starts a server of its own; `server` stands in for it."""
    seen: list[str] = []

    @contextmanager
    def local_server(options: Sequence[str], on_progress: Any) -> Iterator[str]:
        seen.extend(options)
        on_progress("loading the fake")
        yield server.url

    monkeypatch.setattr("streamer.cli.local_server.local_server", local_server)
    return seen


def test_a_server_of_its_own_is_started(
    run: Run, audio: FakeAudio, server: ServerThread, own_server_options: list[str]
) -> None:
    with once_heard(server, press_ctrl_c):
        result = run("mic", "--no-llm", "--threads", "1")
    assert result.exit_code == 0, result.output
    expected = ["--threads", "1", "--emotion-model", EMOTION.name, "--no-llm", "--no-languages"]
    assert own_server_options == expected
    assert "loading the fake" in result.stderr


def test_a_server_of_our_own_without_emotion_loads_no_model_for_it(
    run: Run, audio: FakeAudio, server: ServerThread, own_server_options: list[str]
) -> None:
    with once_heard(server, press_ctrl_c):
        result = run("mic", "--show-emotion", "off")
    assert result.exit_code == 0, result.output
    assert own_server_options[-2:] == ["--emotion", "off"]
    assert not server.engine.recognizers[0].options.emotion


def test_a_server_that_refuses_is_one_line(run: Run, audio: FakeAudio) -> None:
    with ServerThread(ServerOptions(token="right")) as server:
        result = run("mic", "--url", server.url, "--token", "wrong")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_a_server_that_breaks_off_is_one_line(
    run: Run, audio: FakeAudio, server: ServerThread
) -> None:
    server.engine.fail_at_step = 2
    result = run("mic", "--url", server.url)
    assert result.exit_code == 1
    assert "error: internal: " in result.stderr


def test_devices_are_listed(run: Run, audio: FakeAudio) -> None:
    assert run("mic", "--list-devices").stdout == "*   0  Webcam  (16000 Hz)\n"
    audio.devices.clear()
    assert run("mic", "--list-devices").stdout == "no microphone was found\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--url", "ftp://x"], 2, "'ftp://x' is no address"),
        (["--context", "x" * 5_000], 2, "--context: "),
        (["--hot-word", ""], 2, "--hot-word: "),
        (["--save", f"{__file__}/x"], 1, "the captions cannot be written to"),
        (["--to", "rtmp://x"], 2, "--to: 'rtmp://x' is neither hls:FOLDER nor zoom:URL"),
        (["--to", f"hls:{__file__}/x"], 1, "--to: the captions cannot be written: Not a directory"),
        (["--device", "7"], 1, "no microphone number 7; choose from 0"),
        (["--url", "127.0.0.1:9"], 1, "cannot connect to ws://127.0.0.1:9/v1/stream"),
    ],
)
def test_mistakes_are_one_line(
    run: Run, audio: FakeAudio, arguments: list[str], code: int, message: str
) -> None:
    result = run("mic", *arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_missing_portaudio_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise MicrophoneError("no microphone access; install PortAudio")

    monkeypatch.setattr("streamer.client.microphone.audio_system", missing)
    result = run("mic")
    assert result.exit_code == 1
    assert result.stderr == "error: no microphone access; install PortAudio\n"


def test_the_real_machine_lists_what_it_has(run: Run) -> None:
    try:
        import sounddevice
    except OSError:
        pytest.skip("no PortAudio here; what is said then is tested above")
    microphones = [
        device["name"] for device in sounddevice.query_devices() if device["max_input_channels"] > 0
    ]
    result = run("mic", "--list-devices")
    assert (result.exit_code, result.stderr) == (0, "")
    expected = microphones or ["no microphone was found"]
    listed = zip(expected, result.stdout.splitlines(), strict=True)
    assert all(name in line for name, line in listed), result.stdout


def test_who_is_known_has_a_name(
    run: Run, audio: FakeAudio, server: ServerThread, tmp_path: Path
) -> None:
    recording = tmp_path / "ada.wav"
    recording.write_bytes(wav_bytes(tone(2.0)))
    with once_heard(server, press_ctrl_c):
        known = ("--speakers", "2", "--known", f"Ada={recording}")
        result = run("mic", "--url", server.http_url, *known)
    assert result.exit_code == 0, result.output
    options = server.engine.recognizers[0].options
    assert (options.speakers, len(options.known_voices)) == (2, 1)
    recording.write_bytes(wav_bytes(silence(2.0)))
    refused = run("mic", "--url", server.http_url, *known)
    assert refused.exit_code == 1
    assert "too little is said" in refused.stderr
