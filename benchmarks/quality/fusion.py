"""What each part of the fused decision brings: the LLM, the emotion it is told, the context.

Every clip is streamed once for each condition (`benchmarks.quality.conditions`), as a session of
its own. Differences come with 95 % intervals of a paired bootstrap over clips.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common import (
    Recording,
    Setup,
    choose,
    figure,
    load_sets,
    percentiles,
    run_speech,
    style,
)
from benchmarks.quality.accuracy import bootstrap
from benchmarks.quality.conditions import (
    CONDITIONS,
    CONTEXT_CLIPS,
    DRAFT,
    TEXT,
    Disputed,
    Outcome,
    clips_before,
    engines_by_telling,
    hear,
    heard_before,
)
from benchmarks.quality.offline import OfflineRecognizer
from streamer.models.llm.contract import Ask
from streamer.models.llm.scorer import LlmScorer
from streamer.transcript.wer import WordErrors

DEFAULT_SETS: Final = "librispeech_test_clean_opus,librispeech_test_other,speechocean762"
REPORTED: Final = 12
"""Clips that are shown of those that gained and of those that lost."""


def sentence(text: str) -> str:
    """Capitals all over would be strange to the LLM."""
    return text.capitalize() + "." if text else ""


def perplexity(scorer: LlmScorer, texts: Sequence[tuple[str, str]]) -> float:
    """Of the LLM, a token, over pairs of context and text."""
    total, n_tokens = 0.0, 0
    for context, text in texts:
        # What all hypotheses of a question share is not scored: an empty one shares nothing.
        total += scorer.score([Ask(scorer.context(context), [f" {text}", ""])])[0][0]
        n_tokens += len(scorer.tokens(f" {text}"))
    return float(np.exp(-total / max(n_tokens, 1)))


def summarize(
    clips: Mapping[str, Sequence[Recording]],
    outcomes: Mapping[str, Mapping[str, Outcome]],
    seed: int,
) -> dict[str, Any]:
    """Figures of each set and of all, by condition. `outcomes`: by clip id, by condition."""
    members = {name: [clip.id for clip in some] for name, some in clips.items()}
    members["all"] = [clip_id for some in members.values() for clip_id in some]
    return {
        name: {
            condition: _figures(
                [outcomes[i][condition] for i in ids],
                {base: [outcomes[i][base] for i in ids] for base in (DRAFT, TEXT)},
                seed,
            )
            for condition in CONDITIONS
        }
        for name, ids in members.items()
    }


def _figures(
    some: Sequence[Outcome], bases: Mapping[str, Sequence[Outcome]], seed: int
) -> dict[str, Any]:
    errors = sum((one.errors for one in some), WordErrors())
    audio_s = sum(one.audio_s for one in some)
    return {
        "clips": len(some),
        "words": errors.reference_words,
        "wer_percent": round(100 * errors.rate, 3),
        "compute_per_audio": round(sum(one.compute_s for one in some) / audio_s, 4),
        "commit_delay_ms": percentiles([d for one in some for d in one.commit_delays_ms]),
        "against": {
            name: bootstrap([b.errors for b in base], [one.errors for one in some], seed)
            for name, base in bases.items()
        },
    }


def gains_and_harms(
    clips: Mapping[str, Sequence[Recording]], outcomes: Mapping[str, Mapping[str, Outcome]]
) -> dict[str, Any]:
    """What fusing changed, clip by clip: counts, and those that changed most."""
    rows: list[dict[str, Any]] = [
        {
            "id": clip.id,
            "errors_saved": outcomes[clip.id][DRAFT].errors.errors
            - outcomes[clip.id][TEXT].errors.errors,
            "reference": clip.text,
            "draft": outcomes[clip.id][DRAFT].text,
            "fused": outcomes[clip.id][TEXT].text,
        }
        for some in clips.values()
        for clip in some
    ]
    rows.sort(key=lambda row: -row["errors_saved"])
    saved = [row["errors_saved"] for row in rows]
    return {
        "helped": sum(n > 0 for n in saved),
        "harmed": sum(n < 0 for n in saved),
        "unchanged": sum(n == 0 for n in saved),
        "most_helped": [row for row in rows[:REPORTED] if row["errors_saved"] > 0],
        "most_harmed": [row for row in rows[::-1][:REPORTED] if row["errors_saved"] < 0],
    }


def decisions(some: Sequence[Disputed]) -> dict[str, Any]:
    """Who decided between words and their rivals, and how often rightly."""
    parties = {
        "both agreed": [d for d in some if d.audio >= 0 and d.text >= 0],
        "sound overruled the LLM": [d for d in some if d.audio >= 0 > d.text],
        "LLM overruled the sound": [d for d in some if d.audio < 0],
    }
    return {
        name: {"words": len(each), "right": sum(d.right for d in each)}
        for name, each in parties.items()
    }


def draw(results: Mapping[str, Any], disputed: Sequence[Disputed]) -> Figure:
    """How each condition differs from the LLM that knows the transcript alone; what spoke for
    each word that had a rival."""
    picture = figure(14, 4.6)
    axis, plane = picture.subplots(1, 2, width_ratios=(3, 2))
    for right, colour, marker in ((True, "#1b9e77", "o"), (False, "#d95f02", "x")):
        some = [d for d in disputed if d.right == right]
        label = "the word was said" if right else "it was not"
        plane.scatter(
            [d.audio for d in some],
            [d.text for d in some],
            s=14,
            c=colour,
            marker=marker,
            label=f"{label} ({len(some)})",
        )
    plane.axhline(0, color="grey", linewidth=0.8)
    plane.axvline(0, color="grey", linewidth=0.8)
    plane.axline((0, 0), slope=-1, color="grey", linewidth=0.8, linestyle=":")
    plane.legend(frameon=False, fontsize=8)
    style(
        plane,
        "What spoke for each disputed word",
        "sound, nats more than for its rival",
        "LLM, weighted nats",
    )
    names = [name for name in CONDITIONS if name != TEXT]
    sets = list(results)
    for i, group in enumerate(sets):
        found = [results[group][name]["against"][TEXT] for name in names]
        middle = np.array([each["wer_points"] for each in found])
        ends = np.array([each["wer_points_ci95"] for each in found]).T
        at = np.arange(len(names)) + (i - (len(sets) - 1) / 2) * 0.18
        axis.errorbar(at, middle, abs(ends - middle), fmt="o", capsize=3, label=group)
    axis.axhline(0, color="grey", linewidth=0.8)
    axis.set_xticks(range(len(names)), names)
    axis.legend(frameon=False, fontsize=8)
    style(axis, "WER against the LLM that knows the transcript alone", "", "points")
    return picture


def table(results: Mapping[str, Any]) -> Table:
    shown = Table(title="What each part brings")
    for column in ("set", "condition", "WER %", "× draft", f"less {TEXT}", "CPU s/s", "commit p95"):
        shown.add_column(column, justify="left" if column in ("set", "condition") else "right")
    for group, conditions in results.items():
        for name, row in conditions.items():
            against = row["against"]
            low, high = against[TEXT]["wer_points_ci95"]
            shown.add_row(
                f"{group} ({row['clips']})",
                name,
                f"{row['wer_percent']:.2f}",
                f"{against[DRAFT]['ratio']:.2f}",
                f"{against[TEXT]['wer_points']:+.2f} [{low:+.2f}, {high:+.2f}]",
                f"{row['compute_per_audio']:.3f}",
                f"{row['commit_delay_ms']['p95']:.0f}",
            )
        shown.add_section()
    return shown


def main(
    setup: Setup,
    clips: Annotated[int, typer.Option(min=0, help="Clips in all; 0 takes every one.")] = 150,
) -> None:
    sets = load_sets(setup.speech, setup.data)
    chosen = choose(sets, clips, setup.seed)
    earlier = {i: clips for some in sets.values() for i, clips in clips_before(some).items()}
    spoken = [clip for some in chosen.values() for clip in some]
    with engines_by_telling(setup.threads) as engines:
        scorer = engines[False].llm
        if scorer is None:
            raise typer.BadParameter("there is nothing to fuse without the LLM")
        offline = OfflineRecognizer(engines[False])
        before = {clip.id: heard_before(offline, earlier[clip.id]) for clip in spoken}
        wrong = {clip.id: before[other.id] for clip, other in _strangers(spoken, setup.seed)}
        outcomes = {
            clip.id: {
                name: hear(engines, condition, clip, (before[clip.id], wrong[clip.id]))
                for name, condition in CONDITIONS.items()
            }
            for clip in track(spoken, "hearing", console=Console(stderr=True))
        }
        references = [(clip, sentence(clip.text)) for clip in spoken]
        perplexities = {
            "without context": perplexity(scorer, [("", text) for _, text in references]),
            "context": perplexity(scorer, [(before[c.id], text) for c, text in references]),
            "wrong context": perplexity(scorer, [(wrong[c.id], text) for c, text in references]),
        }
    results = summarize(chosen, outcomes, setup.seed)
    disputed = [d for clip in spoken for d in outcomes[clip.id][TEXT].disputed]
    parameters = {"clips": clips, "sets": list(chosen), "context_clips": CONTEXT_CLIPS}
    notes = [
        "references have no punctuation: `quality.punctuation` scores it where print is known",
        "every clip is a session of its own: `+ LLM` knows the clip's own transcript",
    ]
    figures = {
        "sets": results,
        "perplexity": {name: round(value, 2) for name, value in perplexities.items()},
        "utterances": gains_and_harms(chosen, outcomes),
        "decisions": decisions(disputed),
    }
    setup.publish(
        "quality.fusion", parameters, figures, draw(results, disputed), table(results), notes
    )


def _strangers(clips: Sequence[Recording], seed: int) -> list[tuple[Recording, Recording]]:
    """Each clip with one of another speaker."""
    pick = random.Random(seed)
    return [
        (clip, pick.choice([other for other in clips if other.speaker != clip.speaker]))
        for clip in clips
    ]


app = run_speech(main, DEFAULT_SETS)

if __name__ == "__main__":
    app()
