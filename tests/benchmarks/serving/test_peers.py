"""What is measured of peers: by hand, and of a real process that speaks the adapters' protocol."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.serving.peers.clips import energy_end_s
from benchmarks.serving.peers.install import ADAPTERS, PEERS
from benchmarks.serving.peers.measures import changes, matches, session_figures
from benchmarks.serving.peers.process import Heard, PeerError, PeerProcess, Snapshot
from benchmarks.serving.peers.run import wanted_peers

WORDS = ["the", "cat", "sat", "on", "the", "mat"]
SPANS = [(i * 0.5, i * 0.5 + 0.4) for i in range(6)]


def test_words_yet_to_come_cost_nothing() -> None:
    assert matches(["the", "cat"], WORDS) == [(0, 0), (1, 1)]
    assert matches(["the", "hat", "sat", "on", "the"], WORDS) == [(0, 0), (2, 2), (3, 3), (4, 4)]
    assert matches(["a", "the", "cat", "cat", "on"], WORDS)[0] == (1, 0)
    assert matches([], WORDS) == matches(["dog"], WORDS) == []


def test_changes_count_replaced_and_removed_words_only() -> None:
    assert changes(["a", "b"], ["a", "b", "c"]) == (0, 0)
    assert changes(["a", "b", "c"], ["a", "x", "c"]) == (1, 2)
    assert changes(["a", "b", "c"], ["a"]) == (2, 2)
    assert changes(["b", "c"], ["a", "b", "c"]) == (0, 2)


def test_figures_of_a_session_by_hand() -> None:
    shots = [
        Snapshot(100.6, "", "The hat"),
        Snapshot(101.0, "", "The cat,"),
        Snapshot(101.1, "", "The cat,"),
        Snapshot(102.0, "The cat", "sat on"),
        Snapshot(104.0, "The cat sat on the mat.", ""),
    ]
    figures = session_figures(Heard(100.0, 103.5, 104.1, shots), WORDS, SPANS)
    assert figures.errors.errors == 0
    assert figures.text == "the cat sat on the mat"
    assert figures.shown_ms[0] == pytest.approx(200)
    assert figures.shown_ms[1] == pytest.approx(100)
    assert figures.committed_ms[1] == pytest.approx(1100)
    assert figures.committed_ms[5] == pytest.approx(1100)
    assert figures.first_text_ms == pytest.approx(600)
    assert figures.final_ms == pytest.approx(1100)
    assert (figures.changed_words, figures.broken_words, figures.updates) == (1, 0, 4)


def test_a_word_cannot_be_shown_before_it_began() -> None:
    shots = [Snapshot(0.2, "", "the cat"), Snapshot(2.0, "", "the cat")]
    figures = session_figures(Heard(0.0, 3.0, 3.0, shots), WORDS, SPANS)
    assert list(figures.shown_ms) == [0]


def test_a_committed_word_that_changes_is_counted() -> None:
    shots = [Snapshot(1, "the hat", ""), Snapshot(2, "the cat sat", "")]
    assert session_figures(Heard(0, 3, 3, shots), WORDS, SPANS).broken_words == 1


def test_the_end_of_speech_by_energy() -> None:
    sound = np.random.default_rng(0).normal(0, 0.001, 64000).astype(np.float32)
    sound[8000:32000] += 0.1 * np.sin(np.arange(24000)).astype(np.float32)
    sound[48000:] = 0
    assert energy_end_s(sound) == pytest.approx(2.0, abs=0.02)


def test_every_peer_has_its_adapter_and_a_name_of_its_own() -> None:
    assert all((ADAPTERS / peer.adapter).is_file() for peer in PEERS)
    assert len({peer.name for peer in PEERS}) == len(PEERS)
    assert [peer.name for peer in wanted_peers(["fused"])] == ["streamer fused"]
    with pytest.raises(Exception, match="no peer is called"):
        wanted_peers(["nobody"])


ECHO = """
import time
from feed import Protocol, paced

protocol = Protocol()
print("not for the benchmark")

def hear(samples, screen):
    if not samples.any():
        raise ValueError("nothing but silence")
    started = time.monotonic()
    for n, piece in enumerate(paced(samples, started)):
        screen.show("", f"{n + 1} chunks")
    return {"started": started, "sent": time.monotonic()}

protocol.serve(hear, {"version": "1"})
"""


def test_an_adapter_hears_in_real_time_and_its_failure_is_told(tmp_path: Path) -> None:
    adapter = tmp_path / "echo.py"
    adapter.write_text(f"import sys\nsys.path.insert(0, {str(ADAPTERS)!r})\n{ECHO}")
    clip, silence = tmp_path / "clip.f32", tmp_path / "silence.f32"
    np.full(4800, 0.1, np.float32).tofile(clip)
    np.zeros(1600, np.float32).tofile(silence)
    with PeerProcess("echo", Path(sys.executable), adapter, {}, tmp_path / "log") as process:
        process.wait_until_ready()
        assert process.about == {"version": "1"}
        sessions, cost = process.hear([clip, clip])
        assert [len(one.snapshots) for one in sessions] == [3, 3]
        for one in sessions:
            assert one.sent_s - one.started_s >= 0.3
            assert one.snapshots[-1].at_s >= one.started_s + 0.3
        assert cost.cpu_s >= 0
        assert cost.peak_rss_mb > 5
        with pytest.raises(PeerError, match="nothing but silence"):
            process.hear([silence])
    assert "not for the benchmark" in (tmp_path / "log").read_text()


def test_an_adapter_that_ends_is_told(tmp_path: Path) -> None:
    adapter = tmp_path / "gone.py"
    adapter.write_text("raise SystemExit('no weights here')")
    with (
        PeerProcess("gone", Path(sys.executable), adapter, {}, tmp_path / "log") as process,
        pytest.raises(PeerError, match="gone ended"),
    ):
        process.wait_until_ready()
    assert "no weights here" in (tmp_path / "log").read_text()
