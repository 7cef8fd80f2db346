from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from streamer.audio.files import read_samples
from streamer.audio.pcm import SampleFormat, SampleReader
from tests.fakes import tone

SUBTYPES = {
    SampleFormat.U8: "PCM_U8",
    SampleFormat.LINEAR16: "PCM_16",
    SampleFormat.LINEAR32: "PCM_32",
    SampleFormat.MULAW: "ULAW",
    SampleFormat.ALAW: "ALAW",
}


@pytest.mark.parametrize("sample_format", list(SampleFormat))
def test_formats_are_read_as_libsndfile_writes_them(sample_format: SampleFormat) -> None:
    raw = io.BytesIO()
    samples = tone(0.1)
    soundfile.write(raw, samples, 16_000, format="RAW", subtype=SUBTYPES[sample_format])
    read = SampleReader(sample_format).read(raw.getvalue())
    assert read.dtype == np.float32
    assert len(raw.getvalue()) == len(samples) * sample_format.width
    # Eight bits and the telephone's logarithms are coarse.
    tolerance = 1e-4 if sample_format in (SampleFormat.LINEAR16, SampleFormat.LINEAR32) else 0.02
    assert np.abs(read - samples).max() < tolerance


@given(
    cuts=st.lists(st.integers(0, 400), max_size=8),
    sample_format=st.sampled_from(list(SampleFormat)),
    channels=st.integers(1, 3),
)
def test_cuts_make_no_difference(
    cuts: list[int], sample_format: SampleFormat, channels: int
) -> None:
    data = np.random.default_rng(1).integers(0, 256, 400, np.uint8).tobytes()
    reader = SampleReader(sample_format, channels)
    places = [0, *sorted(cuts), len(data)]
    pieces = [reader.read(data[a:b]) for a, b in itertools.pairwise(places)]
    whole = SampleReader(sample_format, channels).read(data)
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_channels_are_averaged() -> None:
    data = np.array([1_000, 3_000, -1_000, -3_000], "<i2").tobytes()
    read = SampleReader(SampleFormat.LINEAR16, channels=2).read(data)
    np.testing.assert_allclose(read, [2_000 / 32_768, -2_000 / 32_768])


SPEECH_FORMATS = [
    (SampleFormat.LINEAR16, 1),
    (SampleFormat.LINEAR16, 2),
    (SampleFormat.LINEAR32, 1),
    (SampleFormat.LINEAR32, 2),
]


@pytest.fixture(scope="module")
def voice(bundled_speech: Path) -> npt.NDArray[np.float32]:
    return read_samples(bundled_speech / "1284-1180-0010.opus")


def as_bytes(samples: npt.NDArray[np.float32], sample_format: SampleFormat, channels: int) -> bytes:
    """As a sound card of 16 bits gives them."""
    coarse = np.round(np.clip(samples, -1, 1) * 32_767).astype(np.int64)
    scaled = coarse << (16 if sample_format is SampleFormat.LINEAR32 else 0)
    return np.repeat(scaled, channels).astype(f"<i{sample_format.width}").tobytes()


def read_all(reader: SampleReader, pieces: list[bytes]) -> npt.NDArray[np.float32]:
    return np.concatenate([reader.read(piece) for piece in pieces])


@pytest.mark.parametrize(("sample_format", "channels"), SPEECH_FORMATS)
@pytest.mark.parametrize("longest", [40, 200, 1_999, 20_001])
@pytest.mark.parametrize("loudness", [1.0, 0.01, 0.0005])
def test_speech_may_be_cut_anywhere(
    voice: npt.NDArray[np.float32],
    sample_format: SampleFormat,
    channels: int,
    longest: int,
    loudness: float,
) -> None:
    data = as_bytes(voice[:48_000] * np.float32(loudness), sample_format, channels)
    cuts = np.cumsum(np.random.default_rng(longest).integers(1, longest, 2 * len(data)))
    places = [0, *(int(cut) for cut in cuts if cut < len(data)), len(data)]
    reader = SampleReader(sample_format, channels)
    heard = read_all(reader, [data[a:b] for a, b in itertools.pairwise(places)])
    np.testing.assert_array_equal(heard, SampleReader(sample_format, channels).read(data))
    assert reader.dropped_bytes == 0


def test_one_odd_message_at_the_beginning_may_shift_all_others(
    voice: npt.NDArray[np.float32],
) -> None:
    """The lengths are those of a damaged message, the sound is not."""
    data = as_bytes(voice, SampleFormat.LINEAR16, 1)
    reader = SampleReader(SampleFormat.LINEAR16)
    pieces = [data[:1], *(data[at : at + 640] for at in range(1, len(data), 640))]
    np.testing.assert_array_equal(
        read_all(reader, pieces), SampleReader(SampleFormat.LINEAR16).read(data)
    )
    assert reader.dropped_bytes == 0


@pytest.mark.parametrize(("sample_format", "channels"), SPEECH_FORMATS)
@pytest.mark.parametrize("piece_ms", [20, 100])
@pytest.mark.parametrize("damage", ["one byte", "cut short", "one byte more", "rubbish"])
def test_a_damaged_message_harms_nothing_after_it(
    voice: npt.NDArray[np.float32],
    sample_format: SampleFormat,
    channels: int,
    piece_ms: int,
    damage: str,
) -> None:
    data = as_bytes(voice, sample_format, channels)
    frame = sample_format.width * channels
    step = piece_ms * 16 * frame
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    middle = len(pieces) // 2
    pieces[middle] = {
        "one byte": b"\x01",
        "cut short": pieces[middle][:-1],
        "one byte more": pieces[middle] + b"\x01",
        "rubbish": np.random.default_rng(1).bytes(333),
    }[damage]
    reader = SampleReader(sample_format, channels)
    heard = read_all(reader, pieces)
    after = SampleReader(sample_format, channels).read(b"".join(pieces[middle + 1 :]))
    np.testing.assert_array_equal(heard[-len(after) :], after)
    assert reader.dropped_bytes == len(pieces[middle]) % frame


def test_where_nothing_tells_bytes_are_kept_until_something_does() -> None:
    """Silence sounds the same either way, so nothing is lost by waiting."""
    speech = as_bytes(tone(0.1), SampleFormat.LINEAR16, 1)
    whole = SampleReader(SampleFormat.LINEAR16).read(speech)
    for first_loud, dropped in ((speech, 1), (b"\0" + speech, 0)):
        reader = SampleReader(SampleFormat.LINEAR16)
        reader.read(b"\0")
        for _ in range(10):
            assert not reader.read(bytes(640)).any()
        assert reader.dropped_bytes == 0
        np.testing.assert_array_equal(reader.read(first_loud)[-len(whole) :], whole)
        assert reader.dropped_bytes == dropped
