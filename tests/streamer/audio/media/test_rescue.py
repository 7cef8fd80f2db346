"""Whole Opus files on which libsndfile gives up in the middle."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr

from streamer.audio.files import AudioFileError, read_samples
from streamer.audio.media import recording
from streamer.audio.media.recording import open_recording
from tests.media import av

Floats = npt.NDArray[np.float32]
SECONDS: Final = 12
OVERLAP_AT_S: Final = 8
OVERLAP_S: Final = 0.005


def noise(rate: int, channels: int) -> Floats:
    """`[N, channels]`; whoever loses a sample of it is found out."""
    draw = np.random.default_rng(0).standard_normal((SECONDS * 8_000, channels))
    return np.asarray(0.1 * soxr.resample(draw, 8_000, rate), np.float32)


def encode(container: Any, stream: Any, sound: Floats, rate: int, start_s: float) -> None:
    n_frames = rate // 50
    for at in range(0, len(sound), n_frames):
        packed = np.ascontiguousarray(sound[at : at + n_frames]).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, "flt", stream.layout.name)
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = round(start_s * rate) + at
        container.mux(stream.encode(frame))


@pytest.fixture(scope="module", params=[(16_000, 1), (48_000, 2)], ids=["mono", "stereo"])
def said(request: pytest.FixtureRequest) -> tuple[int, Floats]:
    rate, channels = request.param
    return rate, noise(rate, channels)


@pytest.fixture(scope="module")
def hard(said: tuple[int, Floats], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From `OVERLAP_AT_S` on everything is said to begin a little earlier than it would."""
    rate, sound = said
    path = tmp_path_factory.mktemp("opus") / "hard.opus"
    layout = {1: "mono", 2: "stereo"}[sound.shape[1]]
    middle = OVERLAP_AT_S * rate
    with av.open(path, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=rate, layout=layout, bit_rate=96_000)
        encode(container, stream, sound[:middle], rate, 0)
        encode(container, stream, sound[middle:], rate, OVERLAP_AT_S - OVERLAP_S)
        container.mux(stream.encode(None))
    with soundfile.SoundFile(path) as file:
        try:
            while len(file.read(rate)):
                pass
        except soundfile.SoundFileRuntimeError:
            return path
    pytest.skip("this libsndfile reads it")


def test_all_of_it_is_heard_in_its_place(said: tuple[int, Floats], hard: Path) -> None:
    rate, sound = said
    with open_recording(hard) as opened:
        assert (opened.rate, opened.channels) == (rate, sound.shape[1])
        heard = np.concatenate(list(opened.frames()))
    assert len(heard) == pytest.approx(len(sound), abs=OVERLAP_S * rate)
    part = rate // 2
    for at in range(0, len(heard) - part, part):
        if not OVERLAP_AT_S - 0.5 < at / rate < OVERLAP_AT_S + 1:
            there = slice(at, at + part)
            assert np.corrcoef(heard[there].ravel(), sound[there].ravel())[0, 1] > 0.9, at / rate


def test_without_pyav_it_is_told_what_to_install(
    hard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "can_decode", lambda: False)
    with pytest.raises(AudioFileError, match=r"hard\.opus: the audio is damaged .*plays") as caught:
        read_samples(hard)
    assert "pip install av" in str(caught.value)


def test_a_file_that_is_gone_by_then_ends_as_libsndfile_said(tmp_path: Path, hard: Path) -> None:
    gone = tmp_path / "gone.opus"
    gone.write_bytes(hard.read_bytes())
    with open_recording(gone) as opened:
        frames = opened.frames()
        next(frames)
        gone.unlink()
        with pytest.raises(AudioFileError, match=r"gone\.opus: the audio is damaged"):
            list(frames)


def test_it_can_be_stopped_behind_where_libsndfile_gave_up(
    said: tuple[int, Floats], hard: Path
) -> None:
    rate, _ = said
    with open_recording(hard) as opened:
        frames = opened.frames()
        n_frames = 0
        while n_frames < (OVERLAP_AT_S + 1) * rate:
            n_frames += len(next(frames))
        opened.stop()
        n_frames += sum(map(len, frames))
    assert n_frames < (SECONDS - 0.1) * rate
