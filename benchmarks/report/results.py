"""The tables of `docs/results.md`."""

from __future__ import annotations

from benchmarks.report import campaign, recognition, serving, settings
from benchmarks.report.emotion import rows as emotion
from benchmarks.report.figures import RESULTS, Tables, document, fixed, result_table, results


def tables() -> Tables:
    return {
        "machine": machine,
        "results of recognition": lambda: result_table(
            [*recognition.rows(), *settings.steadiness()]
        ),
        "results of serving": lambda: result_table(serving.rows()),
        "latency settings": settings.table_of_settings,
        "campaign": campaign.table_of_attacks,
        "results of breakdowns": lambda: result_table(campaign.rows()),
        "results of emotion": lambda: result_table(emotion.rows()),
        "tuned weights": _tuned_weights,
    }


def machine() -> str:
    """What all results were measured on."""
    paths = [path.relative_to(RESULTS).with_suffix("") for path in sorted(RESULTS.rglob("*.json"))]
    known = [found for found in map(document, map(str, paths)) if "machine" in found]
    kinds = {
        f"{found['machine']['cores']} cores of an {found['machine']['cpu']}, "
        f"{fixed(found['machine']['memory_gib'], 1)} GiB of memory, {found['machine']['system']}"
        for found in known
    }
    python, runtime, torch = (
        known[0]["versions"][name] for name in ("python", "onnxruntime-gpu", "torch")
    )
    return (
        f"Measured on {' and on '.join(sorted(kinds))}, without a GPU, with Python {python}, "
        f"ONNX Runtime {runtime} and PyTorch {torch}.\n"
    )


def _tuned_weights() -> str:
    found = results("tune_fusion")
    shipped, best = found["shipped"], found["chosen"]
    alone, ships, chosen = (
        fixed(found[f"{name}_wer_percent"], 1) for name in ("acoustics_alone", "shipped", "chosen")
    )
    validated = fixed(found["cross_validation"]["wer_percent"], 1)
    return (
        "The weights of the fused decision were tuned on dev-clean (`python -m "
        "benchmarks.research.tune_fusion`), where the landscape is flat and samples differ: "
        f"on {found['clips']} clips the LLM brings {alone} % to {ships} % with the weight that "
        f"ships ({shipped['llm']:g}), to {chosen} % with the best weights of these clips "
        f"({best['llm']:g}, and {fixed(best['word'], 1)} nats for each word), to {validated} % "
        "with weights cross-validated over speakers.\n"
    )
