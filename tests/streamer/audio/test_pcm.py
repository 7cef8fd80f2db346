from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

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


@settings(deadline=None)
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
