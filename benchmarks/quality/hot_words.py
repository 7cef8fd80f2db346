"""What telling the recognizer rare words in advance brings, and how often it makes them up.

Each clip is streamed with a list of expected words: those of its reference that are rare, among
as many rare words of other clips as it takes to fill the list (Le et al., 2021). A word is rare
if, counted from the commonest on, 90 % of the words of the sets at hand are reached before it or
with it. References
have no case: a word is given as the LLM finds it likelier, with a capital letter or without.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

import numpy as np
import typer
from matplotlib.figure import Figure
from rapidfuzz.distance import Levenshtein
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common import Recording, Setup, choose, figure, load_sets, run_speech, style
from benchmarks.quality.accuracy import bootstrap
from benchmarks.quality.streaming import stream
from streamer.models.llm.contract import LlmRequest
from streamer.models.llm.scorer import LlmScorer
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.transcript.wer import WordErrors, normalize, word_errors

DEFAULT_SETS: Final = "librispeech_test_clean_opus,librispeech_test_other"
COMMON_SHARE: Final = 0.9
WITHOUT: Final = "without"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one clip."""

    errors: WordErrors
    rare: WordErrors
    """Rare words of the reference, and of them those that were not heard; as insertions, words
    of the list that were heard where they were not said."""
    compute_s: float


@dataclass(frozen=True, slots=True)
class Task:
    """A clip and its list."""

    recording: Recording
    rare: frozenset[str]
    listed: tuple[str, ...]


@dataclass
class Rarity:
    """Which words are rare, and how they are written."""

    counts: Counter[str]
    scorer: LlmScorer
    written: dict[str, str] = field(default_factory=dict)

    def rare(self, text: str) -> set[str]:
        return {word for word in normalize(text) if self.counts[word] <= self._common_count()}

    def write(self, word: str) -> str:
        """The word in the case that the LLM expects."""
        if word not in self.written:
            small, capital = f" {word}", f" {word.capitalize()}"
            context = self.scorer.context("It was about")
            scores = self.scorer.score([LlmRequest(context, [small, capital])])[0]
            self.written[word] = (small if scores[0] >= scores[1] else capital).strip()
        return self.written[word]

    def _common_count(self) -> int:
        """A common word occurs more often than this."""
        wanted, seen = COMMON_SHARE * self.counts.total(), 0
        for _, count in self.counts.most_common():
            seen += count
            if seen >= wanted:
                return count
        return 0


def tasks(
    chosen: Sequence[Recording], everything: Sequence[Recording], scorer: LlmScorer, size: int
) -> list[Task]:
    """A list of `size` words for each clip that has rare words."""
    rarity = Rarity(Counter(w for clip in everything for w in normalize(clip.text)), scorer)
    others = sorted({word for clip in everything for word in rarity.rare(clip.text)})
    found = []
    for clip in chosen:
        rare = rarity.rare(clip.text)
        if not rare:
            continue
        draw = random.Random(clip.id)
        wrong = [w for w in draw.sample(others, min(size, len(others))) if w not in rare]
        listed = [*sorted(rare), *wrong][: max(size, len(rare))]
        draw.shuffle(listed)
        found.append(Task(clip, frozenset(rare), tuple(rarity.write(word) for word in listed)))
    return found


def count_rare(task: Task, text: str) -> WordErrors:
    """See `Outcome.rare`."""
    reference, heard = normalize(task.recording.text), normalize(text)
    listed = {word for term in task.listed for word in normalize(term)}
    missed = made_up = 0
    for operation in Levenshtein.opcodes(reference, heard):
        if operation.tag == "equal":
            continue
        missed += sum(w in task.rare for w in reference[operation.src_start : operation.src_end])
        made_up += sum(w in listed for w in heard[operation.dest_start : operation.dest_end])
    said = sum(word in task.rare for word in reference)
    return WordErrors(deletions=missed, insertions=made_up, reference_words=said)


def hear(engine: Engine, task: Task, *, told: bool) -> Outcome:
    options = SessionOptions(emotion=False, hot_words=task.listed if told else ())
    result = stream(engine, np.concatenate(task.recording.pieces()), options).transcription
    return Outcome(
        word_errors(task.recording.text, result.text),
        count_rare(task, result.text),
        result.compute_s,
    )


def summarize(outcomes: Mapping[str, Sequence[Outcome]], seed: int) -> dict[str, Any]:
    base = outcomes[WITHOUT]
    results: dict[str, Any] = {}
    for name, some in outcomes.items():
        errors = sum((one.errors for one in some), WordErrors())
        rare = sum((one.rare for one in some), WordErrors())
        results[name] = {
            "clips": len(some),
            "words": errors.reference_words,
            "wer_percent": round(100 * errors.rate, 3),
            "rare_words": rare.reference_words,
            "rare_errors_percent": round(100 * rare.deletions / rare.reference_words, 3),
            "false_insertions_percent": round(100 * rare.insertions / errors.reference_words, 3),
            "compute_s": round(sum(one.compute_s for one in some), 2),
        }
        if name != WITHOUT:
            results[name]["wer_change"] = bootstrap(
                [one.errors for one in base], [one.errors for one in some], seed
            )
            results[name]["rare_change"] = bootstrap(
                [replace(one.rare, insertions=0) for one in base],
                [replace(one.rare, insertions=0) for one in some],
                seed,
            )
    return results


def draw(results: Mapping[str, Any]) -> Figure:
    picture = figure(9, 4)
    axes = picture.subplots(1, 2)
    named = list(results)
    for axis, key, title in zip(
        axes,
        ("rare_errors_percent", "false_insertions_percent"),
        ("Rare words that were not heard", "Listed words heard but not said"),
        strict=True,
    ):
        axis.bar_label(axis.bar(named, [results[name][key] for name in named]), fmt="%.2f")
        style(axis, title, "nats for each expected word", "percent")
    return picture


def table(results: Mapping[str, Any]) -> Table:
    shown = Table(title="Rare words, expected")
    for column in ("nats", "WER %", "rare errors %", "ratio", "made up, % of words", "compute s"):
        shown.add_column(column, justify="right")
    for name, row in results.items():
        change = row.get("rare_change")
        ratio = f"{change['ratio']} {change['ratio_ci95']}" if change else ""
        shown.add_row(
            name,
            f"{row['wer_percent']:.2f}",
            f"{row['rare_errors_percent']:.2f}",
            ratio,
            f"{row['false_insertions_percent']:.2f}",
            f"{row['compute_s']:.0f}",
        )
    return shown


def main(
    setup: Setup,
    clips: Annotated[int, typer.Option(min=0, help="Clips in all; 0 takes every one.")] = 120,
    size: Annotated[int, typer.Option(min=1, max=100, help="Words in each list.")] = 100,
    nats: Annotated[
        str, typer.Option(help="Weights of an expected word to try, with commas between.")
    ] = "",
) -> None:
    engine = Engine.load(EngineOptions(threads=setup.threads, latency="low"))
    if engine.llm is None:
        raise typer.BadParameter("expected words need the LLM")
    weights = engine.options.weights
    tried = [float(value) for value in nats.split(",") if value] or [weights.hot_word]
    try:
        chosen = choose(load_sets(setup.speech, setup.data), clips, setup.seed)
        listed = tasks(
            [clip for some in chosen.values() for clip in some], setup.clips(), engine.llm, size
        )
        outcomes: dict[str, list[Outcome]] = {WITHOUT: []}
        for task in track(listed, "hearing", console=Console(stderr=True)):
            outcomes[WITHOUT].append(hear(engine, task, told=False))
            for value in tried:
                options = replace(engine.options, weights=replace(weights, hot_word=value))
                with closing(engine.with_options(options)) as changed:
                    outcomes.setdefault(f"{value:g}", []).append(hear(changed, task, told=True))
    finally:
        engine.close()
    results = summarize(outcomes, setup.seed)
    parameters = {"clips": clips, "size": size, "nats": tried, "sets": list(chosen)}
    notes = [
        "clips without rare words are left out; rare words occur no more often than the one with "
        "which, counted from the commonest on, 90 % of the words of these sets are reached"
    ]
    setup.publish("quality.hot_words", parameters, results, draw(results), table(results), notes)


app = run_speech(main, DEFAULT_SETS)

if __name__ == "__main__":
    app()
