"""When a client is held back, by not reading what it sends.

A recording is held back for as long as it takes. Live audio is not, or the captions would fall
behind what is being said; only what runs ahead of real time waits. After a cut or a stall live
audio comes faster than it was spoken until it has caught up, and is taken like a recording.
"""

from __future__ import annotations

import math
from typing import Final

from streamer.audio.clock import seconds_from_samples
from streamer.session.limits import SessionLimits

STALL_S: Final = 1.0
"""Audio that comes so much later than it should has been held up somewhere."""
_CAUGHT_UP_S: Final = 0.3
_LOOK_EVERY_S: Final = 2.0
_LEAST_GAIN_S: Final = 0.2
"""Who gains less on the clock in that time is not catching up: it was silent, or the machine is
too slow."""
CATCH_UP_BACKLOG_S: Final = 0.3
"""Little enough that every step covers what it would have covered in time."""


class Pace:
    """One session's. Times are monotonic seconds, audio is counted at 16 kHz."""

    def __init__(self, limits: SessionLimits, start_sample: int = 0) -> None:
        """
        Args:
            start_sample: where the audio begins; behind 0 it is that of a session which goes on
                after a break, and comes late.
        """
        self._limits = limits
        self._start_sample = start_sample
        self._first_s: float | None = None
        self._least_delay_s = 0.0
        self._caught_up = start_sample == 0
        self._looked_s = 0.0
        self._looked_delay_s = 0.0

    @property
    def unhurried(self) -> bool:
        """Every step is worth making, none needs to be skipped to keep up."""
        return self._limits.recording or not self._caught_up

    def arrived(self, now_s: float, received_samples: int) -> None:
        """Audio has come, `received_samples` in all."""
        delay_s = now_s - seconds_from_samples(received_samples)
        if self._first_s is None:
            self._first_s = now_s
            # How late the audio of a session that goes on is, nobody can tell.
            self._least_delay_s = delay_s if self._caught_up else -math.inf
            self._looked_s, self._looked_delay_s = now_s, delay_s
        if self._caught_up:
            self._caught_up = delay_s - self._least_delay_s < STALL_S
            self._looked_s, self._looked_delay_s = now_s, delay_s
            self._least_delay_s = min(self._least_delay_s, delay_s)
        elif delay_s - self._least_delay_s <= _CAUGHT_UP_S:
            self._caught_up = True
        elif now_s - self._looked_s >= _LOOK_EVERY_S:
            if self._looked_delay_s - delay_s < _LEAST_GAIN_S:
                self._caught_up = True
                self._least_delay_s = delay_s
            self._looked_s, self._looked_delay_s = now_s, delay_s

    def must_wait(self, now_s: float, received_samples: int, processed_samples: int) -> bool:
        """Whether more audio is unprocessed than the session should hold."""
        backlog_s = seconds_from_samples(received_samples - processed_samples)
        if self._limits.recording:
            return backlog_s > self._limits.max_backlog_s
        if not self._caught_up:
            return backlog_s > min(CATCH_UP_BACKLOG_S, self._limits.max_backlog_s)
        if backlog_s <= self._limits.max_backlog_s:
            return False
        if self._first_s is None:
            return True
        own_samples = received_samples - self._start_sample
        ahead_s = seconds_from_samples(own_samples) - (now_s - self._first_s)
        return ahead_s > self._limits.live_slack_s
