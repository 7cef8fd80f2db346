from __future__ import annotations

from streamer.session.arrivals import Arrivals


def test_age_is_that_of_the_oldest_unheard_audio() -> None:
    arrivals = Arrivals()
    assert arrivals.age_ms(5.0) == 0.0
    arrivals.add(0, 100, 1.0, 0.0)
    arrivals.add(100, 200, 2.0, 0.0)
    assert arrivals.age_ms(5.0) == 4000.0
    arrivals.forget_before(99)
    assert arrivals.oldest_s() == 1.0
    arrivals.forget_before(100)
    assert arrivals.oldest_s() == 2.0
    arrivals.forget_before(1000)
    assert arrivals.oldest_s() is None


def test_capture_time_of_a_sample() -> None:
    arrivals = Arrivals()
    arrivals.add(0, 16_000, 1.0, 500_000.0)
    arrivals.add(16_000, 32_000, 2.0, 0.0)
    assert arrivals.captured_ms(8_000) == 500_500.0
    assert arrivals.captured_ms(16_000) is None
    assert arrivals.captured_ms(99_999) is None


def test_memory_stays_bounded() -> None:
    arrivals = Arrivals()
    for i in range(100):
        arrivals.add(i, i + 1, 0.001 * i, 0.0)
    assert len(arrivals._marks) == 5
    for i in range(100, 20_000):
        arrivals.add(i, i + 1, float(i), 0.0)
    assert len(arrivals._marks) == 4096
    arrivals.forget_before(19_999)
    assert arrivals.oldest_s() is not None
