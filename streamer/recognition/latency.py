"""What is waited for before words are committed: three settings with a name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal

from streamer.decoding.decision.fused_commit import FusedOptions

Latency = Literal["low", "balanced", "accurate"]
"""`low`: the draft and the LLM decide. `balanced`: where they are in doubt, the second listener
too. `accurate`: always, and with more sound behind each decision."""


LOOK_AHEAD_MS: Final[Mapping[Latency, float]] = {"low": 160, "balanced": 560, "accurate": 1_120}
"""What a streaming transducer may wait for, at most."""


def commit_rule(fused: FusedOptions, latency: Latency) -> FusedOptions:
    """The fused rule of a setting; `low` is the rule as it is."""
    match latency:
        case "low":
            return fused
        case "balanced":
            return replace(fused, every_ms=1_000)
        case "accurate":
            return replace(
                fused, every_ms=2_000, guard_ms=1_000, decide_ms=3_000, doubt_nats=math.inf
            )
