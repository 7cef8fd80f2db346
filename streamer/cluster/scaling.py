"""How many replicas are wanted: by what hurts those who speak, or soon will.

Serve asks every replica how loaded it is, takes the mean over the last seconds, and asks `scale`
how many there should be; it bounds the number, and waits before it acts: up shortly, down for long.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamer.protocol.messages import ErrorCode
from streamer.server.stream_server import StreamServer

_FULL: Final = 0.7
"""Of the places, or of the CPUs set aside: beyond, what comes in a minute has no room."""
_MAX_LAG_MS: Final = 1_000.0


@dataclass(frozen=True, slots=True)
class Load:
    """Of one replica, now or over some seconds."""

    places: float
    """The share of them that is taken."""
    cpu: float
    """CPU seconds a second, of each CPU set aside: what a second of audio costs, times audio."""
    lag_ms: float
    """The 95th percentile of the live sessions' lags."""
    refused: float
    """Clients a second that were told to come again later."""


def wanted_replicas(loads: Sequence[Load], now: int) -> int:
    """
    Args:
        loads: of the replicas that tell theirs.
        now: how many there are to be now; so many it stays while none tells.
    """
    if not loads:
        return now
    share = sum(max(load.places, load.cpu) for load in loads) / _FULL
    wanted = math.ceil(share - 1e-9)
    if any(load.lag_ms > _MAX_LAG_MS or load.refused > 0 for load in loads):
        wanted = max(wanted, len(loads) + 1)
    return max(1, wanted)


def scale(context: Any) -> tuple[int, dict[str, Any]]:
    """Serve's autoscaling policy: takes its AutoscalingContext, gives the number, and no state."""
    told: dict[str, dict[Any, float]] = context.aggregated_metrics or {}
    names = ("places", "cpu", "lag_ms", "refused")
    ids = [key for key in told.get(names[0], {}) if all(key in told.get(n, {}) for n in names)]
    loads = [Load(*(told[name][key] for name in names)) for key in ids]
    return wanted_replicas(loads, context.target_num_replicas), {}


class LoadMeter:
    """Measures from one call to the next."""

    def __init__(
        self,
        server: StreamServer,
        cpus: float,
        now_s: Callable[[], float] = time.monotonic,
        cpu_s: Callable[[], float] = time.process_time,
    ) -> None:
        """`cpus`: set aside for this process."""
        self._server = server
        self._cpus = cpus
        self._now_s = now_s
        self._cpu_s = cpu_s
        self._before = self._counted()

    def load(self) -> Load:
        now = self._counted()
        seconds, cpu_s, refused = (new - old for new, old in zip(now, self._before, strict=True))
        self._before = now
        seconds = max(seconds, 1e-3)
        places = self._server.places
        return Load(
            places.taken / places.limit,
            cpu_s / seconds / self._cpus,
            places.overdue_ms(0.95),
            refused / seconds,
        )

    def _counted(self) -> tuple[float, float, float]:
        code = ErrorCode.TOO_MANY_SESSIONS.value
        refused = self._server.metrics.refused(code)
        return self._now_s(), self._cpu_s(), refused
