"""The session clock: absolute samples at 16 kHz. Seconds exist only at the edges."""

from __future__ import annotations

from typing import Final

SAMPLE_RATE: Final = 16_000


def samples_from_ms(ms: float) -> int:
    return round(ms * SAMPLE_RATE / 1000)


def ms_from_samples(samples: int) -> float:
    return samples * 1000 / SAMPLE_RATE


def seconds_from_samples(samples: int) -> float:
    return samples / SAMPLE_RATE
