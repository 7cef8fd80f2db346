from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamer.audio.clock import SAMPLE_RATE, ms_from_samples, samples_from_ms, seconds_from_samples


def test_a_second_is_sixteen_thousand_samples() -> None:
    assert samples_from_ms(1_000) == SAMPLE_RATE == 16_000
    assert seconds_from_samples(24_000) == 1.5
    assert ms_from_samples(512) == 32


@given(st.integers(0, 10**12))
def test_milliseconds_lead_back_to_the_same_sample(sample: int) -> None:
    assert samples_from_ms(ms_from_samples(sample)) == sample
