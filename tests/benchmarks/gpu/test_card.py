from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("matplotlib")

from benchmarks.gpu import card, large, pack
from benchmarks.gpu.load import growing
from streamer.client.bundled import bundled_speech
from streamer.models.card.device import Card
from streamer.models.card.llm.model import CardLlm
from streamer.models.llm.contract import LlmTokenRequest


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a dry run writes, on what the other command has packed; of two recordings, for time."""
    with pytest.MonkeyPatch.context() as patch:
        shortest = sorted(bundled_speech(), key=lambda clip: clip.duration_s)[:2]
        patch.setattr(pack, "bundled_speech", lambda: shortest)
        return dry_run(tmp_path_factory)


def dry_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    packed, out = tmp_path_factory.mktemp("pack"), tmp_path_factory.mktemp("out")
    for app, arguments in (
        (pack.app, ["--out", str(packed)]),
        (card.app, ["--dry-run", "--pack", str(packed), "--out", str(out)]),
    ):
        outcome = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert outcome.exit_code == 0, outcome.output
    assert sum(path.stat().st_size for path in packed.iterdir()) < 60e6
    assert (out / "gpu.png").stat().st_size > 0
    results: dict[str, Any] = json.loads((out / "gpu.json").read_text())["results"]
    return results


@pytest.mark.slow
def test_every_section_of_a_dry_run_has_figures(found: dict[str, Any]) -> None:
    outcomes = [part for part in found.values() if isinstance(part, dict)]
    failed = [part for part in outcomes if part.keys() & {"error", "skipped"}]
    assert not failed
    assert found["correctness"] == {"recordings": 2, "equal": 2, "different": []}
    assert found["overlap"]["share_of_the_shorter_that_overlaps"] > 0
    assert {event["tid"] for event in found["overlap"]["trace"]} == {0, 1}
    assert [row["sessions"] for row in found["step_times"]] == [1, 2]
    assert found["real_time"][0]["failed"] == 0
    assert {row["look_ahead_ms"] for row in found["transducer"]["rows"]} == {320.0, 1120.0}
    for model in found["llm"]["models"]:
        assert [row["sessions"] for row in model["rows"]] == [1, 2]
    assert found["whisper"]["rows"]
    for model in found["moonshines"]:
        assert model["place_mb"] > 0
        assert [row["sessions"] for row in model["steps"]] == [1, 2]
    assert [row["sessions"] for row in found["whisper"]["questions"]] == [1, 2]


def test_llms_score_for_several_sessions_through_the_model_that_sessions_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, int]] = []
    plain = CardLlm.logprobs

    def counted(self: CardLlm, requests: Sequence[LlmTokenRequest]) -> object:
        asked.append((len(requests), len(requests[0].context)))
        return plain(self, requests)

    monkeypatch.setattr(CardLlm, "logprobs", counted)
    found = large.llm(Card("cpu"), large.Scale(tiny=True, rounds=1))
    assert [len(model["rows"]) for model in found["models"]] == [2, 2]
    for model in found["models"]:
        assert model["place_mb"] > 0
        assert all(row["decisions_per_s"] > 0 < row["grown_pass_ms"] for row in model["rows"])
    # Twice to warm up, once measured; the same again with contexts that grow.
    assert asked == 2 * [(n, n_known) for n in (1, 2) for n_known in (129, 129, 129, 133, 137, 141)]


def test_a_section_that_fails_or_comes_too_late_is_told(tmp_path: Path) -> None:
    results = card.Results(tmp_path / "gpu.json", {}, limit_s=10)
    nothing: dict[str, int] = {}
    results.section("good", lambda: 1)
    results.section("bad", lambda: nothing["nothing"])
    results.section("late", lambda: 2, needs_s=11)
    written = json.loads((tmp_path / "gpu.json").read_text())["results"]
    assert written["good"] == 1
    assert written["bad"] == {"error": "KeyError: 'nothing'"}
    assert "skipped" in written["late"]


def test_sessions_grow_up_to_the_most() -> None:
    assert growing(256) == [64, 96, 128, 192, 256]
    assert growing(2) == [2]
