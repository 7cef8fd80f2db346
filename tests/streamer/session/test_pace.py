"""When a client is held back, on a clock of the test's own."""

from __future__ import annotations

import pytest

from streamer.session.limits import SessionLimits
from streamer.session.pace import CATCH_UP_BACKLOG_S, Pace

RATE = 16_000
CHUNK_S = 0.1


class Stream:
    """Sends chunks of 0.1 s; a machine processes so many seconds of audio a second."""

    def __init__(self, limits: SessionLimits, speed: float = 8.0) -> None:
        self.pace = Pace(limits)
        self.speed = speed
        self.now_s = 1_000.0
        self.received = 0
        self.processed = 0
        self.most_backlog_s = 0.0

    def live(self, seconds: float) -> None:
        """Audio as it is spoken."""
        for _ in range(round(seconds / CHUNK_S)):
            self._pass(CHUNK_S)
            self._send()

    def burst(self, seconds: float) -> float:
        """All at once, but for being held back; gives how long it took."""
        began_s = self.now_s
        for _ in range(round(seconds / CHUNK_S)):
            while self.pace.must_wait(self.now_s, self.received, self.processed):
                self._pass(0.01)
            self._send()
        return self.now_s - began_s

    def _send(self) -> None:
        self.received += round(CHUNK_S * RATE)
        self.pace.arrived(self.now_s, self.received)
        self.most_backlog_s = max(self.most_backlog_s, (self.received - self.processed) / RATE)

    def _pass(self, seconds: float) -> None:
        self.now_s += seconds
        done = self.processed + round(seconds * self.speed * RATE)
        self.processed = min(self.received, done)


@pytest.mark.parametrize("stall_s", [2.0, 25.0, 45.0, 300.0])
def test_what_was_held_up_is_caught_up_whole(stall_s: float) -> None:
    stream = Stream(SessionLimits())
    stream.live(5)
    stream.now_s += stall_s
    took_s = stream.burst(stall_s)
    assert stream.most_backlog_s <= CATCH_UP_BACKLOG_S + CHUNK_S + 0.01
    assert took_s >= stall_s / stream.speed / 1.2
    stream.burst(took_s)  # what was spoken meanwhile
    stream.live(5)
    assert not stream.pace.unhurried


def test_live_audio_in_time_is_never_held_back_however_slow_the_machine() -> None:
    stream = Stream(SessionLimits(max_backlog_s=1.0), speed=0.1)
    stream.live(60)
    assert not stream.pace.must_wait(stream.now_s, stream.received, stream.processed)
    assert not stream.pace.unhurried


def test_who_was_silent_for_a_while_is_live_again() -> None:
    stream = Stream(SessionLimits())
    stream.live(5)
    stream.now_s += 30
    stream.live(1)
    assert stream.pace.unhurried
    stream.live(2)
    assert not stream.pace.unhurried
    stream.live(60)
    assert not stream.pace.unhurried


def test_a_machine_that_cannot_catch_up_goes_on_as_with_live_audio() -> None:
    stream = Stream(SessionLimits(), speed=1.0)
    stream.live(5)
    stream.now_s += 30
    stream.burst(20)
    assert not stream.pace.unhurried


def test_audio_ahead_of_time_waits_for_it() -> None:
    stream = Stream(SessionLimits(max_backlog_s=1.0, live_slack_s=2.0), speed=0.0)
    assert stream.burst(10) == pytest.approx(8, abs=0.2)


def test_a_recording_waits_for_the_machine_alone() -> None:
    stream = Stream(SessionLimits(max_backlog_s=1.0, recording=True), speed=4.0)
    assert stream.burst(10) == pytest.approx(9 / 4, abs=0.2)
    assert stream.pace.unhurried
