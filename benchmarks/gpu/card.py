"""What a graphics card carries: the small models with their weights, larger ones in their shapes.

Needs PyTorch, transformers, onnxruntime, onnx, matplotlib and typer, no network, and the folder
that `benchmarks.gpu.pack` makes. Each section stands alone: one that fails is told and the next one
goes on; what is known is written after each.
"""

from __future__ import annotations

import json
import platform
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import torch
import transformers
import typer

from benchmarks.gpu import large, load
from benchmarks.gpu.picture import draw
from benchmarks.gpu.sessions import Models, load_models
from benchmarks.gpu.shapes import moonshines
from streamer.models.card.device import Card
from streamer.models.card.slots import slot_bytes
from streamer.models.moonshine.config import TINY

RESULTS: Final = Path(__file__).resolve().parents[1] / "results"
NAME: Final = "gpu"
NOTES: Final = (
    "step_times: all sessions step at one moment; detector, encoder and draft, no emotion",
    "real_time: a thread each, through the server's lanes, emotion too; without what Python "
    "decides about words, and without LLM and second listener",
    "moonshines, whisper, transducer, llm: random weights in the true shapes: speed alone",
    "peers: as their makers publish them, on their cards",
)


class Results:
    """What is known so far, on disk."""

    def __init__(self, path: Path, parameters: dict[str, Any], limit_s: float) -> None:
        self._path = path
        self._until = time.monotonic() + limit_s
        self._document: dict[str, Any] = {
            "benchmark": "gpu.card",
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "parameters": {**parameters, "notes": list(NOTES)},
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "transformers": transformers.__version__,
            },
            "results": {"peers": list(large.PEERS)},
        }

    @property
    def found(self) -> dict[str, Any]:
        results: dict[str, Any] = self._document["results"]
        return results

    def left_s(self) -> float:
        return self._until - time.monotonic()

    def section(self, name: str, measure: Callable[[], Any], needs_s: float = 5.0) -> Any:
        """Measure, and write down what comes of it, or why nothing does."""
        began = time.monotonic()
        if self.left_s() < needs_s:
            outcome: Any = {"skipped": f"{self.left_s():.0f} s were left"}
        else:
            try:
                outcome = measure()
            except Exception as error:  # noqa: BLE001  the other sections still count
                traceback.print_exc()
                outcome = {"error": f"{type(error).__name__}: {str(error)[:300]}"}
        self.put(name, outcome)
        typer.echo(f"{name}: {time.monotonic() - began:.1f} s  {json.dumps(outcome)[:600]}")
        return outcome

    def put(self, name: str, outcome: Any) -> None:
        self.found[name] = outcome
        text = json.dumps(self._document, indent=2, ensure_ascii=False) + "\n"
        self._path.write_text(text, encoding="utf-8")


def main(
    pack: Annotated[Path, typer.Option(help="What benchmarks.gpu.pack made.")] = Path("gpu-pack"),
    device: Annotated[str, typer.Option(help="cuda, or cuda:1 for a second card.")] = "cuda",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="On a CPU, with two sessions and tiny models."),
    ] = False,
    limit_s: Annotated[float, typer.Option(help="No section begins after so many seconds.")] = 330,
    max_sessions: Annotated[int, typer.Option(help="Tried at most.")] = 2_048,
    out: Annotated[Path, typer.Option(help="Where the JSON and the picture go.")] = RESULTS,
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    if dry_run:
        device, max_sessions = "cpu", 2
    parameters = {"device": device, "dry_run": dry_run, "max_sessions": max_sessions}
    results = Results(out / f"{NAME}.json", parameters, limit_s)
    scale = large.Scale(tiny=dry_run, rounds=2 if dry_run else 16)
    card = Card(device)
    half = torch.float32 if dry_run else torch.bfloat16
    results.section("machine", lambda: _machine(card))
    ceiling = results.section("roof", lambda: large.roof(card.device, half, scale))

    bundle = _bundle(pack)
    loaded: list[Models] = []

    def load_small() -> dict[str, float]:
        began = time.perf_counter()
        n_places = max(max_sessions, len(bundle.codes))
        free = card.free_bytes()
        if free is not None:
            n_places = min(n_places, int(0.8 * free / slot_bytes(TINY, card.dtype)))
        loaded.append(load_models(pack, device, n_sessions=n_places))
        return {"seconds": round(time.perf_counter() - began, 2), "places": n_places}

    results.section("loading", load_small)
    if loaded:
        _small(results, loaded.pop(), bundle, dry_run=dry_run, ceiling=ceiling)
    if card.is_cuda:
        torch.cuda.empty_cache()
    # What was last asked for comes last: it is the first to be left out.
    large_card = Card(device, half)
    results.section("transducer", lambda: large.transducer(large_card, scale), 25)
    results.section("llm", lambda: large.llm(large_card, scale), 20)
    results.section("whisper", lambda: large.whisper(large_card, scale), 20)
    results.section("moonshines", lambda: moonshines(card, scale), 30)
    results.section("picture", lambda: draw(results.found, out / f"{NAME}.png"), -60)


def _small(
    results: Results,
    models: Models,
    bundle: load.Bundle,
    *,
    dry_run: bool,
    ceiling: Any,
) -> None:
    """The sections of the models whose weights are there."""
    places = models.speech.pools.n_slots
    counts = (1, 2) if dry_run else [n for n in (1, 16, 64, 256, 1_024) if n <= places]
    together, rounds, steps, seconds = (2, 1, 1, 0.6) if dry_run else (64, 20, 24, 6.0)
    # So many steps until a window is cut.
    warm = 1 if dry_run else 44

    def left_s() -> float:
        # The larger models are to have their turn.
        return results.left_s() - (0 if dry_run else 90)

    results.section("memory", lambda: load.memory(models))
    results.section("correctness", lambda: load.correctness(models, bundle))
    seen = results.section("overlap", lambda: load.overlap(models, bundle, together, rounds, warm))
    results.section(
        "step_times", lambda: load.step_times(models, bundle, counts, steps, warm, left_s)
    )
    results.section("share_of_the_roof", lambda: _share(seen, ceiling))
    climb = [2] if dry_run else load.growing(min(2_048, places))
    rows = results.section(
        "real_time", lambda: load.real_time(models, bundle, climb, seconds, left_s)
    )
    if isinstance(rows, list):
        carried = [r["sessions"] for r in rows if r["lag_ms"]["p95"] <= load.MAX_LAG_MS]
        results.put("sessions_a_card", max(carried, default=0))


def _share(overlap: dict[str, Any], ceiling: dict[str, float]) -> dict[str, float]:
    """Of the card's matrix rate, that the encoder's layers reach at a step's sizes."""
    flops = overlap["sessions"] * large.encoder_flops(110, 300)
    rate = flops / overlap["encoder_ms"] / 1e9
    return {
        "encoder_tflop_per_s": round(rate, 4),
        "share": round(rate / ceiling["tflop_per_s"], 4),
    }


def _bundle(pack: Path) -> load.Bundle:
    with np.load(pack / "speech.npz") as stored:
        codes = {name: stored[name] for name in stored.files}
    expected = json.loads((pack / "expected.json").read_text())
    return load.Bundle(list(codes.values()), [expected[name] for name in codes])


def _machine(card: Card) -> dict[str, Any]:
    if not card.is_cuda:
        return {"device": platform.processor() or platform.machine()}
    found = torch.cuda.get_device_properties(card.device)
    return {
        "device": found.name,
        "memory_gb": round(found.total_memory / 2**30, 1),
        "multiprocessors": found.multi_processor_count,
        "cuda": torch.version.cuda,
    }


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command(help=__doc__)(main)

if __name__ == "__main__":
    app()
