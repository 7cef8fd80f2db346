from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamer.audio.samples import mono_samples
from tests.fakes import tone

TONE = tone(0.1)
INT16 = (TONE * 2**15).astype(np.int16)
STEREO = np.stack([TONE * 1.5, TONE * 0.5], axis=1)
AS_PROGRAMS_HAVE_IT: dict[str, Any] = {
    "float32": TONE,
    "float64": TONE.astype(np.float64),
    "float16": TONE.astype(np.float16),
    "big-endian": TONE.astype(">f4"),
    "int16": INT16,
    "big-endian int16": INT16.astype(">i2"),
    "int32": (TONE.astype(np.float64) * 2**31).astype(np.int32),
    "uint8": np.round(TONE * 128 + 128).astype(np.uint8),
    "list": TONE.tolist(),
    "bytes": INT16.tobytes(),
    "bytearray": bytearray(INT16.tobytes()),
    "memoryview": memoryview(INT16.tobytes()),
    "frames, channels": STEREO,
    "channels, frames": STEREO.T,
    "int16 in two channels": (STEREO * 2**15).astype(np.int16),
    "one channel": TONE[:, None],
}


@pytest.mark.parametrize("kind", AS_PROGRAMS_HAVE_IT)
def test_it_is_the_same_sound(kind: str) -> None:
    samples = mono_samples(AS_PROGRAMS_HAVE_IT[kind])
    assert samples.dtype == np.float32
    assert samples.dtype.isnative
    coarse = kind == "uint8"
    np.testing.assert_allclose(samples, TONE, atol=0.005 if coarse else 2e-4)


def test_bytes_can_be_floats() -> None:
    np.testing.assert_array_equal(mono_samples(TONE.tobytes(), "<f4"), TONE)


@pytest.mark.parametrize("empty", [b"", [], np.zeros(0, np.int16), np.zeros((0, 2), np.float32)])
def test_nothing_is_nothing(empty: Any) -> None:
    assert mono_samples(empty).shape == (0,)


@pytest.mark.parametrize(
    ("sound", "error", "reason"),
    [
        (INT16.tobytes()[:-1], ValueError, "no whole number of samples of 2 bytes"),
        (INT16.astype(np.float32), ValueError, "floats in -1 … 1, or integers such as int16"),
        (np.full(9, np.nan, np.float32), ValueError, "must be finite"),
        (np.array([0.1, np.inf], np.float32), ValueError, "must be finite"),
        (INT16.astype(np.int64), ValueError, "int64 has no full scale"),
        (INT16.astype(np.uint16), ValueError, "uint16 has no full scale"),
        (np.zeros((100, 100), np.float32), ValueError, r"this is \[100, 100\]"),
        (np.float32(0.5), ValueError, r"this is \[\]"),
        (np.zeros(9, bool), TypeError, "this is bool"),
        (np.zeros(9, complex), TypeError, "this is complex128"),
        ("talk.wav", TypeError, "floats or integers, or bytes"),
        (None, TypeError, "this is object"),
    ],
)
def test_what_is_no_sound_is_told(sound: Any, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        mono_samples(sound)
