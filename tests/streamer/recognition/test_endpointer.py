from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamer.recognition.endpointer import Edge, Endpointer, EndpointerOptions, Transition

FRAME = 512
MS = 16


def gate(**options: float) -> Endpointer:
    return Endpointer(FRAME, EndpointerOptions(**options))


def test_speech_opens_with_pre_roll_and_silence_closes_with_post_roll() -> None:
    vad = gate(pre_roll_ms=400, hangover_ms=640, post_roll_ms=320)
    made = vad.push([0.0] * 50 + [0.9] * 20 + [0.0] * 30)
    opened, closed = 50 * FRAME - 400 * MS, 70 * FRAME + 320 * MS
    assert made == [
        Transition(Edge.START, opened, decided_at=53 * FRAME, audio_from=opened),
        Transition(Edge.END, closed, decided_at=90 * FRAME, audio_from=closed),
    ]
    assert not vad.is_open


def test_the_pre_roll_stops_at_the_stream_and_at_the_previous_end() -> None:
    vad = gate(hangover_ms=64, post_roll_ms=64)
    first, end, second, _ = vad.push([0.9] * 5 + [0.0] * 2 + [0.9] * 5 + [0.0] * 2)
    assert first.sample == 0
    assert end.sample == second.sample == 7 * FRAME


def test_speech_that_has_just_begun_at_a_mark_starts_there_and_is_heard_from_before() -> None:
    vad = gate(pre_roll_ms=400, min_speech_ms=96)
    assert vad.push([0.0] * 50 + [0.9] * 2) == []
    vad.mark(52 * FRAME)
    (started,) = vad.push([0.9])
    assert started == Transition(Edge.START, 52 * FRAME, 53 * FRAME, 50 * FRAME - 400 * MS)


def test_a_pause_is_known_from_its_first_silent_frame() -> None:
    vad = gate(hangover_ms=640)
    vad.push([0.9] * 10)
    assert vad.silent_since is None
    vad.push([0.4, 0.1, 0.4, 0.1])  # in between nothing changes
    assert vad.silent_since == 11 * FRAME
    vad.push([0.9])
    assert vad.silent_since is None


def test_a_click_is_not_speech() -> None:
    vad = gate(min_speech_ms=96)
    assert vad.push([0.0] * 10 + [0.9] * 2 + [0.1] + [0.9] * 2 + [0.0] * 10) == []
    (started,) = vad.push([0.9] * 3)
    assert started.edge is Edge.START


def test_a_pause_shorter_than_the_hangover_does_not_end_a_segment() -> None:
    vad = gate(hangover_ms=640)
    (started,) = vad.push([0.9] * 5 + [0.0] * 19 + [0.9] + [0.0] * 19)
    assert started.edge is Edge.START
    (ended,) = vad.push([0.0])
    assert ended.sample == 25 * FRAME + 320 * MS


def test_a_pause_is_told_once_its_post_roll_was_heard_and_ends_where_the_segment_would() -> None:
    vad = gate(hangover_ms=640, post_roll_ms=320)
    vad.push([0.9] * 5 + [0.0] * 9)
    assert vad.pause_end is None
    vad.push([0.0])
    assert vad.pause_end == 5 * FRAME + 320 * MS
    vad.push([0.9])
    assert vad.pause_end is None
    vad.push([0.0] * 19)
    expected = vad.pause_end
    (ended,) = vad.push([0.0])
    assert ended.sample == expected == 15 * FRAME + 5_120 + FRAME
    assert vad.pause_end is None


def test_between_the_thresholds_nothing_changes() -> None:
    vad = gate(speech_threshold=0.5, silence_threshold=0.35)
    assert vad.push([0.4] * 50) == []  # not enough to open
    vad.push([0.9] * 5)
    assert vad.push([0.4] * 50) == []  # not enough to close
    (ended,) = vad.push([0.1] + [0.4] * 30 + [0.1])  # enough to stay silent
    assert ended.sample == 105 * FRAME + 320 * MS


def test_the_post_roll_never_reaches_past_what_was_heard() -> None:
    vad = gate(hangover_ms=64, post_roll_ms=320)
    _, ended = vad.push([0.9] * 5 + [0.0] * 2)
    assert ended.sample == ended.decided_at == 7 * FRAME


def test_closing_from_outside_needs_speech_anew_and_keeps_pre_roll_behind_it() -> None:
    vad = gate()
    vad.push([0.9] * 10)
    vad.close(10 * FRAME)
    assert not vad.is_open
    assert vad.push([0.9] * 2) == []
    (again,) = vad.push([0.9])
    assert again.sample == 10 * FRAME


def test_a_jump_moves_the_clock_and_forgets() -> None:
    vad = gate()
    vad.push([0.9] * 10)
    vad.jump(1_000 * FRAME)
    assert not vad.is_open
    (started,) = vad.push([0.9] * 3)
    assert started == Transition(Edge.START, 1_000 * FRAME, 1_003 * FRAME, 1_000 * FRAME)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 40)), max_size=30),
    st.sampled_from([32.0, 96.0, 300.0]),
    st.sampled_from([0.0, 400.0, 2_000.0]),
    st.sampled_from([32.0, 640.0]),
    st.sampled_from([0.0, 320.0, 5_000.0]),
)
def test_segments_alternate_and_never_overlap(
    stretches: list[tuple[float, int]],
    min_speech_ms: float,
    pre_roll_ms: float,
    hangover_ms: float,
    post_roll_ms: float,
) -> None:
    vad = gate(
        min_speech_ms=min_speech_ms,
        pre_roll_ms=pre_roll_ms,
        hangover_ms=hangover_ms,
        post_roll_ms=post_roll_ms,
    )
    made = []
    for probability, n_frames in stretches:
        made += vad.push([probability] * n_frames)
    heard = sum(n_frames for _, n_frames in stretches) * FRAME
    assert [t.edge for t in made] == [Edge.START, Edge.END] * (len(made) // 2) + (
        [Edge.START] if len(made) % 2 else []
    )
    samples = [t.sample for t in made]
    assert samples == sorted(samples)
    assert all(0 <= t.sample <= t.decided_at <= heard for t in made)
    assert vad.is_open == bool(len(made) % 2)


@given(st.lists(st.floats(0, 1), max_size=200), st.integers(1, 50))
def test_how_frames_are_grouped_makes_no_difference(frames: list[float], group: int) -> None:
    at_once, in_groups = gate(), gate()
    made = []
    for at in range(0, len(frames), group):
        made += in_groups.push(frames[at : at + group])
    assert made == at_once.push(frames)
