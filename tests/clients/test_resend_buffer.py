from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.client.resend_buffer import Chunk, Command, KeptAudio
from streamer.protocol.messages import FinalizeMessage


def chunk(offset: int, n_samples: int) -> Chunk:
    return Chunk(offset, np.arange(offset, offset + n_samples, dtype=np.float32), 1.0)


def unsent(kept: KeptAudio) -> list[float | str]:
    """All that would be sent: samples (which are their own offsets), commands by their type."""
    said: list[float | str] = []
    while (item := kept.take()) is not None:
        said += item.samples.tolist() if isinstance(item, Chunk) else [item.message.type]
    return said


def test_audio_is_sent_again_from_the_very_sample() -> None:
    kept = KeptAudio(100)
    kept.add(chunk(0, 10))
    kept.add(Command(10, FinalizeMessage()))
    kept.add(chunk(10, 5))
    assert unsent(kept) == [*range(10), "finalize", *range(10, 15)]
    kept.rewind(7)
    assert kept.next_offset == 7
    assert unsent(kept) == [7, 8, 9, "finalize", *range(10, 15)]
    kept.rewind(10)
    assert unsent(kept) == ["finalize", *range(10, 15)]
    kept.rewind(11)
    assert unsent(kept) == [*range(11, 15)]


def test_audio_goes_when_the_server_has_it_and_its_words_are_committed() -> None:
    kept = KeptAudio(100)
    for at in (0, 10, 20):
        kept.add(chunk(at, 10))
    unsent(kept)
    kept.acknowledge(20)
    assert (kept.kept_samples, kept.unacknowledged_samples) == (30, 10)
    kept.settle(15)
    assert kept.kept_samples == 20
    kept.rewind(15)
    assert unsent(kept) == [*range(15, 30)]


def test_beyond_the_limit_the_oldest_goes() -> None:
    kept = KeptAudio(25)
    for at in (0, 10, 20, 30):
        kept.add(chunk(at, 10))
    assert kept.kept_samples == kept.unsent_samples == kept.forgotten_samples == 20
    assert unsent(kept) == [*range(20, 40)]
    assert KeptAudio(10).next_offset is None


@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "take", "ack", "settle", "rewind"]), st.integers(1, 50))
    )
)
def test_whatever_happens_it_is_bounded_and_in_order(steps: list[tuple[str, int]]) -> None:
    kept, end, acknowledged = KeptAudio(100), 0, 0
    for step, n in steps:
        if step == "add":
            kept.add(chunk(end, n))
            end += n
        elif step == "take":
            kept.take()
        elif step == "ack":
            acknowledged = min(end, acknowledged + n)
            kept.acknowledge(acknowledged)
        elif step == "settle":
            kept.settle(min(end, n))
        else:
            kept.rewind(acknowledged)
        assert 0 <= kept.unsent_samples <= kept.kept_samples <= 100
        assert kept.unacknowledged_samples <= end - acknowledged
    kept.rewind(acknowledged)
    said = unsent(kept)
    assert said == list(range(end - len(said), end))
    assert len(said) >= min(end - acknowledged, 100 - 50)
