from __future__ import annotations

from itertools import islice

from streamer.client.backoff import ReconnectOptions, backoff_delays_s


def test_delays_grow_and_differ() -> None:
    options = ReconnectOptions(first_delay_s=0.25, max_delay_s=5.0)
    longest, shortest = (
        list(islice(backoff_delays_s(options, pick), 8))
        for pick in (lambda low, high: high, lambda low, high: low)
    )
    assert longest == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert shortest == [0.0, *(delay / 2 for delay in longest[1:])]
