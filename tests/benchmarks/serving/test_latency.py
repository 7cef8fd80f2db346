"""Delays of words, by hand and over the real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
from typer.testing import CliRunner

from streamer.protocol.messages import DecoderEvent, LatencyEvent, SegmentEvent, WordsEvent
from streamer.protocol.words import WireWord

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.serving.latency import app
from benchmarks.serving.live import LiveSession, Received, delay_figures, word_delays

State = Literal["tentative", "committed", "final"]


def _word(number: int, text: str, start_ms: float, end_ms: float, state: State) -> WireWord:
    return WireWord(
        id=number, text=text, start_ms=start_ms, end_ms=end_ms, confidence=1.0, state=state
    )


def _words(at_s: float, *words: WireWord) -> Received:
    return Received(at_s, WordsEvent(segment_id=0, words=words, lag_ms=0))


def _session() -> LiveSession:
    """`hello` ends 1 s, `world` 2 s after the start, which was at 10 s."""
    final = (_word(0, "Hello,", 500, 1000, "final"), _word(1, "world.", 1500, 2000, "final"))
    segment = SegmentEvent(
        segment_id=0,
        start_ms=0,
        end_ms=2500,
        text="Hello, world.",
        words=final,
        emotion=None,
        lag_ms=0,
    )
    beat = LatencyEvent(lag_ms=120, received_ms=0, processed_ms=0, step_ms={}, stages_ms={})
    return LiveSession(
        10.0,
        3.0,
        (
            _words(11.2, _word(0, "hello", 480, 990, "tentative")),
            Received(11.5, beat),
            _words(
                12.1,
                _word(0, "hello", 480, 990, "tentative"),
                _word(1, "whirled", 1500, 1900, "tentative"),
            ),
            _words(
                12.4,
                _word(0, "Hello,", 500, 1000, "committed"),
                _word(1, "world", 1500, 1990, "tentative"),
            ),
            Received(12.5, DecoderEvent(decoder="draft", reason="behind")),
            Received(12.9, segment),
        ),
        lost_samples=0,
    )


def test_delays_by_hand() -> None:
    delays = word_delays(_session())
    assert delays.tentative == pytest.approx([200, 400])
    assert delays.commit == pytest.approx([1400, 900])
    assert delays.final == pytest.approx([900])


def test_the_same_word_elsewhere_does_not_count() -> None:
    far = _words(10.6, _word(0, "world", 100, 400, "tentative"))
    session = _session()
    earlier = LiveSession(10.0, 3.0, (far, *session.received), 0)
    assert word_delays(earlier).tentative == word_delays(session).tentative


def test_figures_of_a_session() -> None:
    figures = delay_figures(_session())
    assert figures["segments"] == 1
    assert figures["llm_pauses"] == 1
    assert figures["lag_ms"] == {"p50": 120.0, "p95": 120.0, "p99": 120.0}
    assert figures["drain_ms"] == pytest.approx(-100)


def test_the_command_writes_its_result(tmp_path: Path) -> None:
    arguments = ["--speech", "bundled", "--seconds", "4", "--no-llm", "--out", str(tmp_path)]
    outcome = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0
    draft = json.loads((tmp_path / "latency.json").read_text())["results"]["draft"]
    assert draft["words"] > 0
    assert draft["segments"] >= 1
    for name in ("lag_ms", "tentative_delay_ms", "commit_delay_ms", "final_delay_ms"):
        assert draft[name].keys() == {"p50", "p95", "p99"}
    assert {"vad", "encode", "decode"} <= draft["stages_ms"].keys()
    assert (tmp_path / "latency.png").is_file()
