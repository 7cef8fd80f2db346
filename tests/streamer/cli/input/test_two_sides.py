"""Two devices, or the two channels of a recording, as two people."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

from tests.fake_audio import FakeAudio
from tests.fakes import FakeEngine, silence, tone
from tests.serving import ServerThread
from tests.streamer.cli.conftest import Run
from tests.streamer.cli.test_mic import once_heard, press_ctrl_c


def test_two_devices_are_two_sides(
    run: Run, audio: FakeAudio, server: ServerThread, tmp_path: Path
) -> None:
    audio.devices.append({**audio.devices[0], "name": "Monitor"})
    audio.pace_s = 0.1  # as the stamps of the chunks say
    audio.sounds[1] = np.concatenate([silence(1.0), tone(4.0)])
    sides = ("--device", "0", "--second-device", "1")
    saving = ("--save", tmp_path, "--to", f"hls:{tmp_path / 'live'}")
    with once_heard(server, press_ctrl_c, steps=5):
        result = run(
            "mic", "--url", server.http_url, *sides, "--name", "Ada", "--name", "Bob", *saving
        )
    assert result.exit_code == 0, result.output
    near, far = server.engine.recognizers
    assert near.ledger.segments[0].start_sample == 0
    # The second device began with a second of silence, give or take a step.
    assert far.ledger.segments[0].start_sample in (8_000, 16_000)
    assert "Ada: w0 w8000" in result.stdout
    assert "Bob: w" in result.stdout
    (text,) = tmp_path.glob("*.txt")
    assert [line[:5] for line in text.read_text().splitlines()] == ["Ada: ", "Bob: "]
    (subtitles,) = tmp_path.glob("*.vtt")
    assert "<v Ada>(happy) w0" in subtitles.read_text()
    assert any("<v Bob>" in path.read_text() for path in (tmp_path / "live").glob("*.vtt"))


def test_a_name_needs_a_second_side(run: Run, audio: FakeAudio) -> None:
    result = run("mic", "--name", "Ada")
    assert result.exit_code == 2
    result = run("mic", "--second-device", "0", "--name", "Ada")
    assert result.exit_code == 2
    assert "2 times" in result.output


def test_two_channels_apart(run: Run, fake_engine: FakeEngine, tmp_path: Path) -> None:
    stereo = tmp_path / "call.wav"
    sides = [
        np.concatenate(parts) for parts in ([tone(1.0), silence(1.0)], [silence(1.0), tone(1.0)])
    ]
    soundfile.write(stereo, np.stack(sides, axis=1), 16_000)
    told = json.loads(run("transcribe", "--apart", "--json", stereo).stdout)
    assert [(one["channel"], one["name"], one["text"]) for one in told["segments"]] == [
        (0, "Speaker 1", "w0 w8000"),
        (1, "Speaker 2", "w16000 w24000"),
    ]
    assert [word["channel"] for word in told["words"]] == [0, 0, 1, 1]
    names = ("--name", "Ada", "--name", "Bob")
    said = run("transcribe", "--apart", *names, "--format", "txt", stereo).stdout
    assert said == "Ada: w0 w8000\nBob: w16000 w24000\n"


def test_people_are_told_apart_on_each_side(
    run: Run, fake_engine: FakeEngine, tmp_path: Path
) -> None:
    stereo = tmp_path / "call.wav"
    soundfile.write(stereo, np.stack([tone(1.0)] * 2, axis=1), 16_000)
    assert run("transcribe", "--apart", "--speakers", "3", stereo).exit_code == 0
    assert [made.options.speakers for made in fake_engine.recognizers] == [3, 3]


def test_one_channel_cannot_be_apart(run: Run, fake_engine: FakeEngine, speech: Path) -> None:
    result = run("transcribe", "--apart", speech)
    assert result.exit_code == 1
    assert "has 1 channels, and --apart is of 2" in result.stderr
