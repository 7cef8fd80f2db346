from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.client.resuming.resend_buffer import Chunk, Command, ResendBuffer
from streamer.protocol.messages import FinalizeMessage


def chunk(offset: int, n_samples: int) -> Chunk:
    return Chunk(offset, np.arange(offset, offset + n_samples, dtype=np.float32), 1.0)


def unsent(buffer: ResendBuffer) -> list[float | str]:
    """All that would be sent: samples (which are their own offsets), commands by their type."""
    said: list[float | str] = []
    while (item := buffer.take()) is not None:
        said += item.samples.tolist() if isinstance(item, Chunk) else [item.message.type]
    return said


def test_audio_is_sent_again_from_the_very_sample() -> None:
    buffer = ResendBuffer(100)
    buffer.add(chunk(0, 10))
    buffer.add(Command(10, FinalizeMessage()))
    buffer.add(chunk(10, 5))
    assert unsent(buffer) == [*range(10), "finalize", *range(10, 15)]
    buffer.rewind(7)
    assert buffer.next_offset == 7
    assert unsent(buffer) == [7, 8, 9, "finalize", *range(10, 15)]
    buffer.rewind(10)
    assert unsent(buffer) == ["finalize", *range(10, 15)]
    buffer.rewind(11)
    assert unsent(buffer) == [*range(11, 15)]


def test_audio_goes_when_the_server_has_it_and_its_words_are_committed() -> None:
    buffer = ResendBuffer(100)
    for at in (0, 10, 20):
        buffer.add(chunk(at, 10))
    unsent(buffer)
    buffer.acknowledge(20)
    assert (buffer.buffered_samples, buffer.unacknowledged_samples) == (30, 10)
    assert buffer.missing_samples == 0
    buffer.release(15)
    assert buffer.buffered_samples == 20
    buffer.rewind(15)
    assert unsent(buffer) == [*range(15, 30)]


def test_beyond_the_limit_the_oldest_goes() -> None:
    buffer = ResendBuffer(25)
    for at in (0, 10, 20, 30):
        buffer.add(chunk(at, 10))
    assert buffer.buffered_samples == buffer.unsent_samples == buffer.missing_samples == 20
    assert unsent(buffer) == [*range(20, 40)]
    assert ResendBuffer(10).next_offset is None


@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "take", "ack", "release", "rewind"]), st.integers(1, 50))
    )
)
def test_whatever_happens_it_is_bounded_and_in_order(steps: list[tuple[str, int]]) -> None:
    buffer, end, acknowledged = ResendBuffer(100), 0, 0
    for step, n in steps:
        if step == "add":
            buffer.add(chunk(end, n))
            end += n
        elif step == "take":
            buffer.take()
        elif step == "ack":
            acknowledged = min(end, acknowledged + n)
            buffer.acknowledge(acknowledged)
        elif step == "release":
            buffer.release(min(end, n))
        else:
            buffer.rewind(acknowledged)
        assert 0 <= buffer.unsent_samples <= buffer.buffered_samples <= 100
        assert buffer.unacknowledged_samples <= end - acknowledged
    buffer.rewind(acknowledged)
    said = unsent(buffer)
    assert said == list(range(end - len(said), end))
    assert len(said) >= min(end - acknowledged, 100 - 50)
