"""A limit on how often something may happen, with room for bursts."""

from __future__ import annotations


class TokenBucket:
    """A token bucket: `rate_per_s` on average, two seconds' worth at once."""

    def __init__(self, rate_per_s: float) -> None:
        self._rate_per_s = rate_per_s
        self._capacity = 2 * rate_per_s
        self._left = self._capacity
        self._last_s: float | None = None

    def take(self, now_s: float) -> bool:
        """Use one; False if none is left at this moment (monotonic seconds)."""
        if self._last_s is not None:
            gained = (now_s - self._last_s) * self._rate_per_s
            self._left = min(self._capacity, self._left + gained)
        self._last_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
