"""How voices are told apart; the defaults were chosen on dev speakers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SpeakerOptions:
    window_ms: float = 1_600
    """Speech that one vector is made of."""
    hop_ms: float = 1_200
    """From one window to the next. But for a segment's first one they are encoded in twos, which
    takes a third less time."""
    shortest_ms: float = 480
    """A segment shorter than this is not heard by itself."""
    longest_ms: float = 36_000
    """What is older in the open segment is not looked at any more."""
    speech_share: float = 0.4
    """Of a window; one with less tells nothing."""
    same: float = 0.62
    """Windows whose vectors are as similar (cosine, the mean of all pairs) are of one voice: those
    of a segment, and those of a voice that was heard before."""
    known: float = 0.64
    """As `same`, for a voice that was known before and has not been heard yet in the session."""
    known_windows: float = 4
    """Windows that what is known of such a voice counts as."""
    new_ms: float = 800
    """Speech that makes a new voice, except for the first."""
    switch_cost: float = 0.2
    """What a change of speakers needs: so many seconds of a similarity that is greater by 1."""
    pause_switch_cost: float = 0.1
    """The same in a pause."""
    memory: float = 60
    """Windows that a voice remembers; newer ones then weigh more."""
