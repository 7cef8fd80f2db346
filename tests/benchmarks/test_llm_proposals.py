from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import pre_tokenizers

from benchmarks.llm_proposals import Decided, WordProposer, decide, summarize
from streamer.audio.files import read_samples
from streamer.client.bundled_speech import bundled_speech
from streamer.recognition.engine import Engine
from streamer.transcript.wer import WordErrors, normalize
from tests.models.tiny_gemma import write_tiny_gemma


class Saying:
    """Proposes what it is told to."""

    def __init__(self, *texts: str) -> None:
        self._said = texts

    def texts(self, text: str) -> list[str]:
        return [text, *self._said]


@pytest.fixture
def proposer(tmp_path: Path) -> WordProposer:
    """A random Gemma that knows four words and a piece of one."""
    write_tiny_gemma(tmp_path, ["▁a", "▁b", "▁c", "▁d", "e"], pre_tokenizers.Metaspace())
    return WordProposer(tmp_path, 9, threads=1)


def test_words_are_replaced_one_at_a_time_and_marks_stay(proposer: WordProposer) -> None:
    found = proposer.texts("a b.")
    assert set(found) == {f"{w} b." for w in "abcd"} | {f"a {w}." for w in "abcd"}


def test_the_ear_rejects_what_was_not_said(engine: Engine) -> None:
    assert engine._llm is not None
    samples = read_samples(bundled_speech()[0].path)
    alone, same, n_proposed, _ = decide(engine, engine._llm, Saying(), samples)
    assert (set(same), n_proposed) == ({alone}, 0)
    wrong = Saying(" ".join(["Bananas", *alone.split()[1:]]))
    _, other, n_proposed, possible = decide(engine, engine._llm, wrong, samples)
    assert (n_proposed, possible) == (1, [0, 0])
    assert [normalize(text) for text in other] == [normalize(alone)] * 2


def test_what_proposals_change_is_told_by_margin() -> None:
    ten = WordErrors(1, 0, 0, 10)
    better, worse = WordErrors(0, 0, 0, 10), WordErrors(2, 0, 0, 10)
    some = [
        Decided(ten, (ten, better), 50, (0, 3), (0, 1)),
        Decided(ten, (ten, worse), 40, (1, 2), (0, 1)),
    ]
    results = summarize(some, seed=0)
    assert (results["proposals"], results["wer_percent"]) == (90, 10.0)
    near, far = results["within"].values()
    assert (near["possible_by_ear"], near["recordings_changed"], near["wer_points"]) == (1, 0, 0)
    assert (far["possible_by_ear"], far["recordings_changed"], far["wer_points"]) == (5, 2, 0)
    assert far["wer_points_ci95"] == [-10.0, 10.0]
