"""Punctuation of captions against the printed books that LibriSpeech was read from.

LibriSpeech's texts have no marks. `books/dev_clean_marks.jsonl` gives those of some chapters of
its development set: for each clip, which word of its text is followed by which mark in print.
Every chapter is heard as one recording by the draft, by the LLM's decision, and by the LLM when it
is told the emotion in the voice, or a wrong one. A mark counts as found where the same mark
stands behind the word that is aligned with the printed one. Intervals are of a bootstrap over
clips.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
import typer
from matplotlib.figure import Figure
from rapidfuzz.distance import Levenshtein
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common import Setup, figure, interval95, load_longform, run_speech, style
from benchmarks.quality.conditions import CONDITIONS, DRAFT, TEXT, engines_by_telling, hear
from streamer.transcript.wer import WordErrors, normalize

BOOK_MARKS: Final = Path(__file__).with_name("books") / "dev_clean_marks.jsonl"
DEFAULT_SET: Final = "librispeech_dev_clean_mp3"
HEARD: Final = (DRAFT, TEXT, "+ emotion", "+ wrong emotion")
CLASSES: Final = {"full stop": ".", "comma": ",", "question mark": "?", "exclamation mark": "!"}
BOOTSTRAP_SAMPLES: Final = 10_000
_SAME_AS: Final = str.maketrans({";": ",", ":": ",", "—": ",", "–": ",", "…": "."})
"""Printers' marks that captions do not have, by the pause they ask for."""
_LAST_MARK: Final = re.compile(r"([.,?!;:—–…])[^\w.,?!;:—–…]*$")
_ABBREVIATION: Final = re.compile(r"\W*(mr|mrs|dr|st)\.\W*", re.IGNORECASE)

Counts = npt.NDArray[np.int64]
"""Axes: clip, class, (found, wrongly set, missed)."""


@dataclass(frozen=True, slots=True)
class Marked:
    """Words as error rates compare them, each with the mark behind it or none."""

    words: tuple[str, ...]
    marks: tuple[str, ...]


def load_marks(path: Path) -> dict[str, dict[int, str]]:
    """By clip: the mark behind each word of its text that has one, by the word's place."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row["id"]: {int(at): mark for at, mark in row["marks"].items()} for row in rows}


def printed(text: str, marks: Mapping[int, str]) -> Marked:
    """A reference with its marks.

    Raises:
        ValueError: there are marks behind words that the text does not have.
    """
    words = text.split()
    if marks and max(marks) >= len(words):
        raise ValueError(f"a mark behind word {max(marks)}, of {len(words)} words: {text!r}")
    return _marked([word + marks.get(at, "") for at, word in enumerate(words)])


def captioned(text: str) -> Marked:
    """A transcript with its marks."""
    return _marked(text.split())


def count_marks(clips: Sequence[Marked], heard: Marked) -> Counts:
    """How the marks of a transcript agree with those of the clips that it was made of.

    A mark behind a word that nobody printed counts against the clip of the word before it.
    """
    owners = [index for index, clip in enumerate(clips) for _ in clip.words]
    words = [word for clip in clips for word in clip.words]
    marks = [mark for clip in clips for mark in clip.marks]
    counts = np.zeros((len(clips), len(CLASSES), 3), np.int64)
    classes = list(CLASSES.values())

    def note(at: int, mark: str, kind: int) -> None:
        if mark:
            counts[owners[min(max(at, 0), len(owners) - 1)], classes.index(mark), kind] += 1

    for step in Levenshtein.opcodes(words, heard.words):
        pairs = min(step.src_end - step.src_start, step.dest_end - step.dest_start)
        for i in range(pairs):
            at, other = step.src_start + i, step.dest_start + i
            if marks[at] == heard.marks[other]:
                note(at, marks[at], 0)
            else:
                note(at, heard.marks[other], 1)
                note(at, marks[at], 2)
        for at in range(step.src_start + pairs, step.src_end):
            note(at, marks[at], 2)
        for other in range(step.dest_start + pairs, step.dest_end):
            note(step.src_end - 1, heard.marks[other], 1)
    return counts


def f1(counts: Counts) -> float:
    """Harmonic mean of precision and recall of counts of any shape whose last axis is as above."""
    return float(_f1_rows(counts.reshape(-1, 3).sum(axis=0)))


def summarize(
    counts: Mapping[str, Counts], errors: Mapping[str, WordErrors], seed: int
) -> dict[str, Any]:
    """Figures of each condition; differences are to the draft and to the LLM."""
    rng = np.random.default_rng(seed)
    n_clips = len(counts[DRAFT])
    drawn = rng.multinomial(n_clips, np.full(n_clips, 1 / n_clips), BOOTSTRAP_SAMPLES)
    pooled = {name: drawn @ some.sum(axis=1) for name, some in counts.items()}
    spread = {name: _f1_rows(some) for name, some in pooled.items()}
    return {
        name: {
            "wer_percent": round(100 * errors[name].rate, 3),
            "f1": round(f1(some), 4),
            "f1_ci95": interval95(spread[name], digits=4),
            "classes": {
                label: {"f1": round(f1(some[:, at]), 4), **_kinds(some[:, at])}
                for at, label in enumerate(CLASSES)
            },
            "against": {
                base: {
                    "f1": round(f1(some) - f1(counts[base]), 4),
                    "f1_ci95": interval95(spread[name] - spread[base], digits=4),
                }
                for base in (DRAFT, TEXT)
            },
        }
        for name, some in counts.items()
    }


def _f1_rows(sums: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    found, wrong, missed = sums[..., 0], sums[..., 1], sums[..., 2]
    return np.asarray(2 * found / np.maximum(1, 2 * found + wrong + missed), np.float64)


def _kinds(counts: Counts) -> dict[str, int]:
    found, wrong, missed = counts.sum(axis=0)
    return {"found": int(found), "wrongly_set": int(wrong), "missed": int(missed)}


def _marked(spelled: Sequence[str]) -> Marked:
    """Words with the marks behind them, as `normalize` divides them; a mark that stands alone
    belongs to the word before it."""
    words: list[str] = []
    marks: list[str] = []
    for each in spelled:
        last = None if _ABBREVIATION.fullmatch(each) else _LAST_MARK.search(each)
        mark = last.group(1).translate(_SAME_AS) if last is not None else ""
        tokens = normalize(each)
        words += tokens
        marks += [""] * len(tokens)
        if mark and marks:
            marks[-1] = mark
    return Marked(tuple(words), tuple(marks))


def table(results: Mapping[str, Any]) -> Table:
    shown = Table(title="Punctuation against print")
    shown.add_column("condition")
    for column in ("WER %", "F1", *CLASSES, f"F1 less {TEXT}"):
        shown.add_column(column, justify="right")
    for name, row in results.items():
        against = row["against"][TEXT]
        low, high = against["f1_ci95"]
        shown.add_row(
            name,
            f"{row['wer_percent']:.2f}",
            f"{row['f1']:.3f}",
            *(f"{row['classes'][label]['f1']:.3f}" for label in CLASSES),
            f"{against['f1']:+.3f} [{low:+.3f}, {high:+.3f}]",
        )
    return shown


def draw(results: Mapping[str, Any]) -> Figure:
    """F1 of all marks and of each class, by condition."""
    picture = figure(10, 3.8)
    axis = picture.subplots()
    labels = ("all marks", *CLASSES)
    width = 0.8 / len(results)
    for i, (name, row) in enumerate(results.items()):
        heights = [row["f1"], *(row["classes"][label]["f1"] for label in CLASSES)]
        at = np.arange(len(labels)) + (i - (len(results) - 1) / 2) * width
        axis.bar_label(axis.bar(at, heights, width, label=name), fmt="%.2f", fontsize=7)
    axis.set_xticks(range(len(labels)), labels)
    axis.set_ylim(0, 1)
    axis.legend(frameon=False, fontsize=8, ncols=len(results))
    style(axis, "Marks that stand where the book has them", "", "F1")
    return picture


def main(
    setup: Setup,
    chapters: Annotated[int, typer.Option(min=0, help="Chapters; 0 takes all.")] = 0,
) -> None:
    known = load_marks(BOOK_MARKS)
    texts = {clip.id: clip.text for clip in setup.clips()}
    spoken = [
        one
        for source in setup.speech.split(",")
        for one in load_longform(source.strip(), setup.data)
        if all(path.stem in known for path in one.paths)
    ]
    if not spoken:
        raise typer.BadParameter(f"{setup.speech} has none of the chapters of {BOOK_MARKS.name}")
    spoken = spoken[: chapters or len(spoken)]
    counts: dict[str, list[Counts]] = {name: [] for name in HEARD}
    errors = dict.fromkeys(HEARD, WordErrors())
    with engines_by_telling(setup.threads) as engines:
        for chapter in track(spoken, "hearing", console=Console(stderr=True)):
            clips = [printed(texts[path.stem], known[path.stem]) for path in chapter.paths]
            for name in HEARD:
                outcome = hear(engines, CONDITIONS[name], chapter, ("", ""))
                counts[name].append(count_marks(clips, captioned(outcome.text)))
                errors[name] += outcome.errors
    found = {name: np.concatenate(some) for name, some in counts.items()}
    results = summarize(found, errors, setup.seed)
    parameters = {
        "chapters": [one.id for one in spoken],
        "clips": len(found[DRAFT]),
        "words": errors[DRAFT].reference_words,
    }
    notes = [
        "semicolons, colons and dashes of the books count as commas",
        "clips of a chapter follow each other as in the corpus, which left some sentences out",
    ]
    setup.publish("quality.punctuation", parameters, results, draw(results), table(results), notes)


app = run_speech(main, DEFAULT_SET)

if __name__ == "__main__":
    app()
