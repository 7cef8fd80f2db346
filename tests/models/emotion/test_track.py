from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.models.emotion.classifier import LABELS, EmotionScores
from streamer.models.emotion.track import UNKNOWN, EmotionTrack, TrackOptions

RATE = 16_000


def scores(**named: float) -> EmotionScores:
    """The named shares; what is left is spread over the other classes."""
    rest = (1 - sum(named.values())) / (len(LABELS) - len(named))
    return EmotionScores({name: named.get(name, rest) for name in LABELS})


def test_a_clear_window_sets_the_label() -> None:
    live = EmotionTrack().update(scores(happy=0.9), RATE)
    assert live.label == "happy"
    assert live.probs["happy"] == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("name", "probability", "label"),
    [
        ("happy", 0.2, UNKNOWN),
        ("happy", 0.69, UNKNOWN),
        ("happy", 0.7, "happy"),
        ("neutral", 0.39, UNKNOWN),
        ("neutral", 0.5, "neutral"),
    ],
)
def test_an_emotion_must_be_surer_than_neutral(name: str, probability: float, label: str) -> None:
    options = TrackOptions(unknown_below=0.4, shown_from=0.7)
    live = EmotionTrack(options).update(scores(**{name: probability}), RATE)
    assert live.label == label
    assert live.probs[name] == pytest.approx(probability)
    assert EmotionTrack(options).segment(0, RATE).label == UNKNOWN


@pytest.mark.parametrize(
    ("name", "probability", "label"),
    [
        ("sad", 0.54, UNKNOWN),
        ("sad", 0.56, "sad"),
        ("angry", 0.56, UNKNOWN),
        ("neutral", 0.45, "neutral"),
    ],
)
def test_a_class_may_have_a_threshold_of_its_own(name: str, probability: float, label: str) -> None:
    options = TrackOptions(shown_from=0.8, shown_from_of={"sad": 0.55, "neutral": 0.9})
    track = EmotionTrack(options)
    assert track.update(scores(**{name: probability}), RATE).label == label
    assert track.segment(0, RATE).label == label


def test_segments_are_held_to_the_same() -> None:
    track = EmotionTrack(TrackOptions(shown_from=0.7, window_s=1))
    track.update(scores(happy=0.6), RATE)
    track.update(scores(happy=0.9), 3 * RATE)
    assert track.segment(0, RATE).label == UNKNOWN
    assert track.segment(2 * RATE, 3 * RATE).label == "happy"


def test_a_label_never_contradicts_its_probabilities() -> None:
    track = EmotionTrack(TrackOptions(hold_margin=0.5, half_life_s=0.5))
    track.update(scores(sad=0.9), RATE)
    for i in range(8):
        live = track.update(scores(angry=0.6), (2 + i) * RATE)
        assert live.label in (UNKNOWN, max(live.probs, key=lambda name: live.probs[name]))


def test_one_odd_window_does_not_switch_the_label() -> None:
    track = EmotionTrack(TrackOptions(half_life_s=1.5, shown_from=0.6))
    for second in range(1, 5):
        track.update(scores(sad=0.9), second * RATE)
    assert track.update(scores(angry=0.9), 4 * RATE + RATE // 2).label == "sad"


def test_a_lasting_change_does() -> None:
    track = EmotionTrack(TrackOptions(shown_from=0.7))
    track.update(scores(sad=0.8), RATE)
    labels = [track.update(scores(angry=0.8), (2 + i) * RATE).label for i in range(5)]
    assert labels[-1] == "angry"
    # From the one to the other through not knowing, and not back.
    assert labels == sorted(labels, key=["sad", UNKNOWN, "angry"].index)


def test_a_label_at_the_edge_does_not_blink() -> None:
    track = EmotionTrack(TrackOptions(half_life_s=0.1, shown_from=0.7, hold_margin=0.1))
    assert track.update(scores(sad=0.68), RATE).label == UNKNOWN
    assert track.update(scores(sad=0.72), 2 * RATE).label == "sad"
    shown = [track.update(scores(sad=p), (3 + i) * RATE).label for i, p in enumerate([0.68, 0.63])]
    assert shown == ["sad", "sad"]
    assert track.update(scores(sad=0.55), 6 * RATE).label == UNKNOWN
    assert track.update(scores(sad=0.68), 7 * RATE).label == UNKNOWN


def test_a_held_label_fades_to_unknown() -> None:
    track = EmotionTrack()
    track.update(scores(sad=0.9), RATE)
    labels = [track.update(scores(), (2 + i) * RATE).label for i in range(6)]
    assert labels[-1] == UNKNOWN


def test_a_gap_starts_afresh() -> None:
    track = EmotionTrack(TrackOptions(forget_after_s=5))
    track.update(scores(sad=0.9), RATE)
    live = track.update(scores(happy=0.85), 20 * RATE)
    assert live.label == "happy"
    assert live.probs["happy"] == pytest.approx(0.85)


def test_time_must_move_on() -> None:
    track = EmotionTrack()
    track.update(scores(), RATE)
    with pytest.raises(ValueError, match="the one before it at 16000"):
        track.update(scores(), RATE)


def test_classes_must_stay() -> None:
    track = EmotionTrack()
    track.update(scores(), RATE)
    with pytest.raises(ValueError, match="classes differ"):
        track.update(EmotionScores({"calm": 1.0}), 2 * RATE)


def test_segments_hear_only_their_own_windows() -> None:
    track = EmotionTrack(TrackOptions(window_s=1))
    for second in range(1, 6):
        track.update(scores(sad=0.9), second * RATE)
    for second in range(6, 11):
        track.update(scores(happy=0.9), second * RATE)
    assert track.segment(0, 5 * RATE).label == "sad"
    assert track.segment(5 * RATE, 10 * RATE).label == "happy"


def test_a_window_weighs_by_what_it_heard_of_the_segment() -> None:
    track = EmotionTrack(TrackOptions(window_s=4))
    track.update(scores(sad=0.8), 4 * RATE)
    track.update(scores(happy=0.8), 7 * RATE)
    # The first window heard one second of it, the second all four.
    probs = track.segment(3 * RATE, 7 * RATE).probs
    assert max(probs, key=lambda name: probs[name]) == "happy"


def test_a_window_may_say_where_it_began() -> None:
    track = EmotionTrack(TrackOptions(window_s=4))
    track.update(scores(sad=0.9), 4 * RATE)
    track.update(scores(happy=0.9), 5 * RATE, 4 * RATE)
    assert track.segment(0, 4 * RATE).label == "sad"
    assert track.segment(4 * RATE, 5 * RATE).label == "happy"
    with pytest.raises(ValueError, match="is empty"):
        track.update(scores(), 6 * RATE, 6 * RATE)


def test_a_segment_that_nobody_heard_is_unknown() -> None:
    track = EmotionTrack(TrackOptions(window_s=1))
    track.update(scores(sad=0.9), RATE)
    live = track.segment(10 * RATE, 11 * RATE)
    assert (live.label, live.probs) == (UNKNOWN, {})


def test_an_unsure_segment_is_unknown() -> None:
    track = EmotionTrack()
    track.update(scores(sad=0.9), 3 * RATE)
    track.update(scores(happy=0.9), 4 * RATE)
    live = track.segment(0, 4 * RATE)
    assert sum(live.probs.values()) == pytest.approx(1)
    assert EmotionTrack(TrackOptions(unknown_below=1.0)).segment(0, RATE).label == UNKNOWN


def test_an_empty_segment_is_refused() -> None:
    with pytest.raises(ValueError, match="is empty"):
        EmotionTrack().segment(RATE, RATE)


def test_old_windows_go() -> None:
    track = EmotionTrack(TrackOptions(keep_s=10))
    for second in range(1, 100):
        track.update(scores(sad=0.9), second * RATE)
    assert len(track) == 10
    track.prune(95 * RATE)
    assert len(track) == 4


def test_memory_is_bounded_at_any_hop() -> None:
    track = EmotionTrack(TrackOptions(max_windows=7))
    for end in range(1, 100):
        track.update(scores(), end)
    assert len(track) == 7


def test_reset_forgets() -> None:
    track = EmotionTrack()
    track.update(scores(sad=0.9), 50 * RATE)
    track.reset()
    assert len(track) == 0
    assert track.update(scores(happy=0.9), RATE).label == "happy"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("window_s", 0),
        ("half_life_s", -1),
        ("max_windows", 0),
        ("unknown_below", 1.5),
        ("shown_from", -0.1),
        ("shown_from_of", {"sad": 1.5}),
    ],
)
def test_senseless_options_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        TrackOptions(**{field: value})  # type: ignore[arg-type]


distributions = st.lists(st.floats(0, 1), min_size=6, max_size=6).filter(lambda p: sum(p) > 0.01)


@given(st.lists(st.tuples(st.integers(1, 40_000), distributions), min_size=1, max_size=40))
def test_whatever_comes_in_probabilities_come_out(
    windows: list[tuple[int, list[float]]],
) -> None:
    track, end = EmotionTrack(TrackOptions(keep_s=5)), 0
    for hop, raw in windows:
        end += hop
        live = track.update(
            EmotionScores({n: p / sum(raw) for n, p in zip(LABELS, raw, strict=True)}), end
        )
        whole = track.segment(max(0, end - RATE), end)
        for shown in (live, whole):
            best = max(shown.probs.values())
            assert shown.label == UNKNOWN or shown.probs[shown.label] == best
            assert sum(shown.probs.values()) == pytest.approx(1)
            assert all(0 <= p <= 1 + 1e-9 for p in shown.probs.values())
