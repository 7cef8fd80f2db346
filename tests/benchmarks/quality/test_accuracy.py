"""Word errors and delays of offline, draft and fused recognition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from streamer.transcript.wer import WordErrors, word_errors

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.common import Recording, load_sets
from benchmarks.quality.accuracy import Heard, Outcome, app, bootstrap, measure, summarize, systems

if TYPE_CHECKING:
    from streamer.recognition.engine import Engine


def _heard(group: str, reference: str, **texts: str) -> Heard:
    outcomes = {
        name: Outcome(word_errors(reference, text), text, 2.0, 0.5, 0.4, (100.0,))
        for name, text in texts.items()
    }
    return Heard(Recording(group, reference, (), reference, "s"), group, outcomes)


def test_errors_add_up_over_clips_by_hand() -> None:
    heard = [
        _heard("a", "one two three four", offline="one two three four", draft="one too three"),
        _heard("b", "five six", offline="five six seven", draft="five six"),
        _heard("longform a", "seven", offline="seven", draft="eleven"),
    ]
    results = summarize(heard, seed=0)
    assert list(results) == ["a", "b", "longform a", "all"]
    assert results["longform a"]["systems"]["draft"]["wer_percent"] == 100.0
    assert results["a"]["systems"]["draft"]["wer_percent"] == 50.0
    pooled = results["all"]["systems"]
    assert pooled["offline"]["wer_percent"] == pytest.approx(100 / 6, abs=1e-3)
    assert pooled["draft"]["wer_percent"] == pytest.approx(200 / 6, abs=1e-3)
    draft = pooled["draft"]
    assert [draft[kind] for kind in ("substitutions", "deletions", "insertions")] == [1, 1, 0]
    assert draft["real_time_factor"] == 0.25
    assert draft["cpu_s_per_audio_s"] == 0.2
    assert results["all"]["comparisons"]["draft - offline"]["ratio"] == 2.0


def test_word_errors_agree_with_an_independent_implementation() -> None:
    jiwer = pytest.importorskip("jiwer")
    pairs = [
        ("the cat sat on the mat", "a cat sat mat on"),
        ("one two three", "one two three four five"),
        ("well that was it", "that was well"),
        ("to be or not to be", ""),
    ]
    for reference, transcript in pairs:
        ours = word_errors(reference, transcript)
        theirs = jiwer.process_words(reference, transcript)
        assert ours.errors == theirs.substitutions + theirs.deletions + theirs.insertions
        assert ours.rate == pytest.approx(theirs.wer)


def test_the_bootstrap_brackets_a_constant_difference() -> None:
    base = [WordErrors(1, 0, 0, 10)] * 20
    other = [WordErrors(2, 0, 0, 10)] * 20
    compared = bootstrap(base, other, seed=0)
    assert compared["wer_points"] == 10.0
    assert compared["wer_points_ci95"] == [10.0, 10.0]
    assert compared["ratio_ci95"] == [2.0, 2.0]


def test_the_bootstrap_of_equals_contains_nothing_but_zero() -> None:
    base = [WordErrors(i % 3, 0, 0, 10) for i in range(30)]
    assert bootstrap(base, base, seed=1)["wer_points_ci95"] == [0.0, 0.0]


def test_real_speech_through_all_systems(engine: Engine) -> None:
    clips = load_sets("bundled", Path())["bundled"]
    read = [clip for clip in clips if clip.speaker.startswith("librispeech")]
    heard = measure(systems(engine, fused=True, emotion=True), {"bundled": read[:1]})
    summary = summarize(heard, seed=0)["bundled"]
    assert list(summary["systems"]) == ["offline", "draft", "fused"]
    for figures in summary["systems"].values():
        assert figures["wer_percent"] < 50
        assert figures["real_time_factor"] > 0
    assert summary["systems"]["offline"]["commit_delay_ms"] == {}
    assert {"p50", "p95"} == summary["systems"]["fused"]["commit_delay_ms"].keys()
    assert {"draft - offline", "fused - draft", "fused - offline"} == summary["comparisons"].keys()


def test_the_command_writes_its_result(tmp_path: Path, bundled_speech: Path) -> None:
    said = tmp_path / "said.jsonl"
    arguments = ["--speech", str(bundled_speech / "manifest.jsonl"), "--clips", "2", "--no-llm"]
    arguments += ["--out", str(tmp_path), "--transcripts", str(said)]
    outcome = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0
    document = json.loads((tmp_path / "accuracy.json").read_text())
    assert list(document["results"]["speech"]["systems"]) == ["offline", "draft"]
    assert document["results"]["speech"]["recordings"] == 2
    assert (tmp_path / "accuracy.png").is_file()
    rows = [json.loads(line) for line in said.read_text().splitlines()]
    assert [sorted(row) for row in rows] == [["draft", "id", "offline", "reference", "set"]] * 2
