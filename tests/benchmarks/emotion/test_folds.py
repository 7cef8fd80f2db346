from __future__ import annotations

from benchmarks.emotion.folds import split


def test_each_speaker_is_judged_once_by_a_network_that_never_met_them() -> None:
    speakers = [f"s{n}" for n in range(20)]
    folds = split(speakers, 3, n_dev=4)
    assert sorted(name for fold in folds for name in fold.test) == sorted(speakers)
    for fold in folds:
        assert len(fold.dev) == 4
        assert not set(fold.dev) & set(fold.test)
