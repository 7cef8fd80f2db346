"""Recordings of any rate and format come out the same; bad ones are told in one line."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from streamer.audio.files import AudioFileError, read_blocks, read_samples
from streamer.audio.media.recording import open_recording


def tone(rate: int, seconds: float = 1.0, hz: float = 440.0) -> npt.NDArray[np.float32]:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype("f4")


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_any_rate_becomes_16_khz(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", tone(rate), rate)
    samples = read_samples(tmp_path / "a.wav")
    assert abs(len(samples) - 16_000) <= 1
    middle = slice(2_000, 14_000)
    assert np.abs(samples[middle] - tone(16_000)[: len(samples)][middle]).max() < 0.01


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.ogg"])
def test_formats(tmp_path: Path, name: str) -> None:
    soundfile.write(tmp_path / name, tone(44_100, 2.0), 44_100)
    samples = read_samples(tmp_path / name)
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(32_000, abs=1_200)
    assert np.sqrt(np.mean(samples[4_000:28_000] ** 2)) == pytest.approx(0.212, abs=0.02)


def test_opus_is_read(bundled_speech: Path) -> None:
    assert len(read_samples(bundled_speech / "1995-1837-0007.opus")) == 8.8 * 16_000


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = tone(16_000), np.full(16_000, 0.25, np.float32)
    third = np.zeros(16_000, np.float32)
    stacked = np.stack([left, right, third], axis=1)
    soundfile.write(tmp_path / "a.wav", stacked, 16_000, subtype="FLOAT")
    np.testing.assert_allclose(read_samples(tmp_path / "a.wav"), (left + right) / 3, atol=1e-6)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_blocks_have_one_size_and_lose_nothing(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", tone(rate, 3.3), rate)
    blocks = list(read_blocks(tmp_path / "a.wav", 1_000))
    assert {len(block) for block in blocks[:-1]} == {1_000}
    assert 0 < len(blocks[-1]) <= 1_000
    np.testing.assert_array_equal(np.concatenate(blocks), read_samples(tmp_path / "a.wav"))


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    minute = np.tile(tone(48_000), 60)
    soundfile.write(tmp_path / "a.wav", minute, 48_000)
    tracemalloc.start()
    try:
        n_samples = sum(len(block) for block in read_blocks(tmp_path / "a.wav"))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n_samples == 60 * 16_000
    assert peak_bytes < minute.nbytes / 4


def test_memory_does_not_grow_with_the_channels(tmp_path: Path) -> None:
    frames = np.tile(tone(16_000)[:, None], 1_000)
    soundfile.write(tmp_path / "a.wav", frames, 16_000, subtype="PCM_U8")
    tracemalloc.start()
    try:
        n_samples = sum(len(block) for block in read_blocks(tmp_path / "a.wav"))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n_samples == 16_000
    assert peak_bytes < 4_000_000


def write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def write_nan(path: Path) -> None:
    samples = tone(16_000)
    samples[77] = np.nan
    soundfile.write(path, samples, 16_000, subtype="FLOAT")


def write_int_scale(path: Path) -> None:
    soundfile.write(path, tone(16_000) * 30_000, 16_000, subtype="FLOAT")


def write_no_frames(path: Path) -> None:
    soundfile.write(path, np.zeros(0, np.float32), 16_000)


def write_absurd_rate(path: Path) -> None:
    soundfile.write(path, tone(16_000), 16)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, r"cannot be read \(No such file or directory\)"),
        (lambda path: path.mkdir(), "is a folder; name the audio files in it"),
        (lambda path: write(path, b""), "is empty"),
        (lambda path: write(path, b"not audio at all, just words"), "is not audio"),
        (lambda path: write(path, b"RIFF\x24\x00\x00\x00WAVE"), "is not audio"),
        (write_no_frames, "holds no audio"),
        (write_nan, "NaN or infinite"),
        (write_int_scale, "far outside -1"),
        (write_absurd_rate, "absurd sample rate of 16 Hz"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "bad.wav"
    make(path)
    with pytest.raises(AudioFileError, match=message) as caught:
        read_samples(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_name_without_a_known_ending_is_judged_by_its_bytes(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(16_000), 16_000)
    renamed = (tmp_path / "a.wav").rename(tmp_path / "a.dat")
    assert len(read_samples(renamed)) == 16_000
    (tmp_path / "a.raw").write_bytes(b"\0" * 100)
    with pytest.raises(AudioFileError, match="is not audio"):
        read_samples(tmp_path / "a.raw")


def test_a_cut_file_gives_what_is_left(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(16_000, 2.0), 16_000)
    os.truncate(tmp_path / "a.wav", 44 + 16_000)
    assert len(read_samples(tmp_path / "a.wav")) == 8_000


def test_damage_in_the_middle_keeps_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 160_000), 16_000)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = b"\0" * (len(data) - len(data) // 2)
    path.write_bytes(data)
    blocks: list[npt.NDArray[np.float32]] = []
    with pytest.raises(AudioFileError, match="the audio is damaged"):
        blocks.extend(read_blocks(path))
    assert 0 < len(blocks) < 100


def test_the_length_is_what_the_header_says(tmp_path: Path, bundled_speech: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(12_000), 48_000)
    clip = bundled_speech / "1064_TIE_HAP_XX.opus"
    with open_recording(tmp_path / "a.wav") as recording:
        assert recording.length_s == 0.25
    with open_recording(clip) as recording:
        assert recording.length_s == pytest.approx(len(read_samples(clip)) / 16_000, abs=0.001)
