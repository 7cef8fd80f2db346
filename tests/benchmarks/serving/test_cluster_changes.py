"""How a run of changes is judged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.serving.cluster_changes import Change, Speaker, draw, judged, table

LIMIT_MS = 1_000.0


def speaker(behind_ms: dict[float, float]) -> Speaker:
    """With two words, and so far behind at those moments."""
    words = [SimpleNamespace(id=0), SimpleNamespace(id=1)]
    client: Any = SimpleNamespace(transcript=SimpleNamespace(words=words), lost_samples=0)
    made = Speaker(client, np.zeros(0, np.float32))
    made.moments_s, made.behind_ms = list(behind_ms), list(behind_ms.values())
    return made


def beats(until_s: float, silent: tuple[float, float] = (0.0, 0.0)) -> dict[float, float]:
    """300 ms behind, told twice a second but in a silence."""
    moments = [n / 2 for n in range(int(2 * until_s) + 1)]
    return {m: 300.0 for m in moments if not silent[0] < m < silent[1]}


def test_a_window_lasts_until_nobody_is_behind() -> None:
    cut = beats(30.0, silent=(10.0, 14.0)) | {14.0: 2_500.0, 14.5: 300.0}
    speakers = [speaker(beats(30.0)), speaker(dict(sorted(cut.items())))]
    told = judged(
        speakers, [Change("kill -9", 10.0, 20.0), Change("drain", 25.0, 26.0)], 30.0, LIMIT_MS
    )
    kill, drain = told["changes"]["kill -9"], told["changes"]["drain"]
    assert kill["window_s"] == pytest.approx(4.5, abs=0.3)
    assert (kill["sessions_behind"], kill["replicas_whole_after_s"]) == (1, 10.0)
    assert kill["behind_ms_max"] == pytest.approx(4_000, abs=400)
    assert (drain["window_s"], drain["sessions_behind"]) == (0.0, 0)
    outside = told["outside_windows"]
    assert outside["seconds"] == pytest.approx(25.5, abs=0.3)
    assert outside["behind_ms"]["p95"] == 300.0
    assert (told["words"], told["sessions_with_words_missing_or_twice"]) == (4, 0)
    assert table(told, LIMIT_MS).row_count == 3
    assert len(draw(speakers, [Change("kill -9", 10.0, 20.0)], told).axes) == 1


def test_who_is_behind_all_the_time_leaves_nothing_outside() -> None:
    late = [speaker(dict.fromkeys(beats(20.0), 3_000.0))]
    told = judged(late, [Change("kill -9", 0.0, 5.0)], 20.0, LIMIT_MS)
    assert told["changes"]["kill -9"]["window_s"] == pytest.approx(20.0, abs=0.3)
    assert told["outside_windows"] == {"seconds": 0.0, "behind_ms": {}}
    assert table(told, LIMIT_MS).row_count == 2
