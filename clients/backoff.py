"""How a client gets back to its server."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class ReconnectOptions:
    give_up_s: float = 120.0
    """So long after a cut the session is lost; 0 gives up at once."""
    first_delay_s: float = 0.25
    max_delay_s: float = 5.0
    """Between attempts; each delay is twice the one before."""
    keep_s: float = 120.0
    """Audio kept to be sent again. Beyond, live audio loses its oldest; a recording waits."""
    stall_s: float = 15.0
    """A server that says nothing for this long while audio is on its way counts as gone."""


def backoff_delays_s(
    options: ReconnectOptions, uniform: Callable[[float, float], float] = random.uniform
) -> Iterator[float]:
    """Waiting times before the attempts, without end.

    Random, between half of the nominal delay and all of it: many clients that were cut together
    must not come back together. The first is shorter still, as most cuts are short.
    """
    yield uniform(0.0, options.first_delay_s)
    nominal = options.first_delay_s
    while True:
        nominal = min(options.max_delay_s, 2 * nominal)
        yield uniform(nominal / 2, nominal)
