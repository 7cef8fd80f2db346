from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.audio.arrays import Floats
from streamer.recognition.audio_buffer import AudioBuffer
from streamer.transcript.events import AudioLost

FRAME = 10


def ramp(start: int, n_samples: int) -> Floats:
    """Samples that spell their own position."""
    return np.arange(start, start + n_samples, dtype=np.float32)


def test_what_waits_too_long_is_lost_and_counted_once() -> None:
    buffer = AudioBuffer(100, 50)
    assert buffer.accept(ramp(0, 100)) == []
    assert buffer.accept(ramp(100, 30)) == [AudioLost(0, 30, "overrun")]
    assert buffer.accept(ramp(130, 5)) == [AudioLost(30, 5, "overrun")]
    assert (buffer.lost_samples, buffer.start, buffer.end) == (35, 0, 135)


def test_what_a_step_has_taken_is_not_lost() -> None:
    buffer = AudioBuffer(100, 50)
    buffer.accept(ramp(0, 100))
    buffer.claim(80)
    assert buffer.accept(ramp(100, 80)) == []
    assert buffer.accept(ramp(180, 7)) == [AudioLost(80, 7, "overrun")]


def test_a_hole_is_silence_and_counted_but_not_twice() -> None:
    buffer = AudioBuffer(100, 50)
    buffer.accept(ramp(0, 40))
    # What waited goes too; the silence that stands for the hole does not.
    assert buffer.skip(250, "gap") == [AudioLost(40, 250, "gap"), AudioLost(0, 40, "overrun")]
    assert (buffer.lost_samples, buffer.end) == (290, 290)
    assert not buffer.read(200, 290).any()
    assert buffer.claim_behind_loss(0, FRAME) == 190


def test_a_step_goes_on_behind_the_loss_in_whole_frames() -> None:
    buffer = AudioBuffer(100, 50)
    buffer.accept(ramp(0, 100))
    assert buffer.claim_behind_loss(0, FRAME) is None
    buffer.accept(ramp(100, 23))
    assert buffer.claim_behind_loss(30, FRAME) is None
    assert buffer.claim_behind_loss(20, FRAME) == 30
    # That frame's beginning went with the loss; it is not lost again.
    assert buffer.accept(ramp(123, 7)) == []
    assert buffer.accept(ramp(130, 1)) == [AudioLost(30, 1, "overrun")]


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 40)), max_size=20))
def test_whatever_is_taken_in_time_is_there(arrivals: list[tuple[int, int]]) -> None:
    buffer = AudioBuffer(100, 100)
    position = lost = 0
    for arriving, taken in arrivals:
        lost += sum(each.n_samples for each in buffer.accept(ramp(buffer.end, arriving)))
        position = buffer.claim_behind_loss(position, 1) or position
        end = min(position + taken, buffer.end)
        buffer.claim(end)
        np.testing.assert_array_equal(buffer.read(position, end), ramp(position, end - position))
        position = end
    assert lost == buffer.lost_samples
    assert buffer.end - position <= 100
