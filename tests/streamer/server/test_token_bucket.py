from __future__ import annotations

from streamer.server.token_bucket import TokenBucket


def test_bursts_pass_and_floods_do_not() -> None:
    allowance = TokenBucket(10.0)
    assert [allowance.take(0.0) for _ in range(21)] == [True] * 20 + [False]
    assert [allowance.take(0.1) for _ in range(2)] == [True, False]


def test_a_pause_refills_no_more_than_the_burst() -> None:
    allowance = TokenBucket(10.0)
    allowance.take(0.0)
    assert sum(allowance.take(1000.0) for _ in range(100)) == 20
