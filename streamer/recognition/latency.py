"""What is waited for before words are committed: three settings with a name."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

from streamer.decoding.decision.fused_commit import FusedOptions

Latency = Literal["low", "balanced", "accurate"]
"""`low`: the draft and the LLM decide. `balanced`: where they are in doubt, the second listener
too. `accurate`: always, and with more sound behind each decision."""


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
