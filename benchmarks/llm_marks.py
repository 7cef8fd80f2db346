"""What the LLM would bring to punctuation if it had a say in it, told the emotion or not.

In the captions, marks are the ear's: hypotheses that differ in marks alone are one to the LLM.
Here clips of the printed books are heard whole; behind every word each other mark is judged by ear
and by the LLM, which reads all of the clip, and the mark with the best sum stands. What is found is
counted as `punctuation` counts it, which measures the captions themselves.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Final

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from benchmarks.common import Setup, run_speech
from benchmarks.fusion import DRAFT
from benchmarks.offline import OfflineRecognizer
from benchmarks.punctuation import (
    ABBREVIATION,
    BOOK_MARKS,
    CLASSES,
    DEFAULT_SET,
    HEARD,
    Counts,
    captioned,
    count_marks,
    draw,
    load_marks,
    printed,
    summarize,
    table,
)
from streamer.audio.arrays import Floats
from streamer.decoding.streaming_decoder import PolicyOptions
from streamer.models.emotion.classifier import LABELS
from streamer.models.fusion.score import Candidate, FusionWeights, LlmFusion
from streamer.models.llm.scorer import LlmScorer
from streamer.recognition.engine import Engine, EngineOptions
from streamer.transcript.wer import WordErrors, word_errors

MARKS: Final = ("", *CLASSES.values())
_SENTENCE_ENDS: Final = frozenset(".?!")
_SPELLED: Final = re.compile(rf"(.*?)([{''.join(CLASSES.values())}]?)")


@dataclass(frozen=True, slots=True)
class Respelling:
    """A text with another mark behind word number `at`."""

    at: int
    mark: str
    text: str


def respellings(text: str) -> list[Respelling]:
    """Every other mark, and none, behind every word; the next word is capitalized as that asks."""
    words = text.split()
    found = []
    for at, word in enumerate(words):
        bare, mark = _divided(word)
        if not bare or ABBREVIATION.fullmatch(word):
            continue
        for other in MARKS:
            if other == mark or (not other and at + 1 == len(words)):
                continue
            for following in _followed(words[at + 1 :], mark, other):
                found.append(
                    Respelling(at, other, " ".join([*words[:at], bare + other, *following]))
                )
    return found


def remarked(text: str, judged: Sequence[tuple[Respelling, float]]) -> str:
    """Each word with the mark that has the most nats more than the one it has, if any has more."""
    best: dict[int, tuple[float, str]] = {}
    for each, nats in judged:
        if nats > best.get(each.at, (0.0, ""))[0]:
            best[each.at] = (nats, each.mark)
    words = text.split()
    for at, (_, mark) in best.items():
        words[at] = _divided(words[at])[0] + mark
    return " ".join(words)


def decide(engine: Engine, scorer: LlmScorer, weights: FusionWeights, samples: Floats) -> list[str]:
    """The text with the marks that each of `HEARD` gives it."""
    offline = OfflineRecognizer(engine)
    text = offline.greedy(samples)
    asked = respellings(text)
    if not asked:
        return [text] * len(HEARD)
    heard, *others = offline.judge(samples, [text, *(each.text for each in asked)])
    possible = [
        (each, Candidate(each.text, logprob))
        for each, logprob in zip(asked, others, strict=True)
        if logprob >= heard - PolicyOptions.prune_nats
    ]
    emotion = engine._emotion.classify_clip(samples).best
    wrong = random.Random(text).choice([label for label in LABELS if label != emotion])
    found = [text]
    for told in ("", emotion, wrong):
        fusion = LlmFusion(scorer, weights, "")
        if told:
            fusion.hear(told)
        terms = fusion.terms([Candidate(text, heard), *(each for _, each in possible)])
        nats = [each.total - terms[0].total for each in terms[1:]]
        found.append(
            remarked(text, [(each, n) for (each, _), n in zip(possible, nats, strict=True)])
        )
    return found


def _divided(word: str) -> tuple[str, str]:
    spelled = _SPELLED.fullmatch(word)
    assert spelled is not None  # of one line, and both parts may be empty
    return spelled.group(1), spelled.group(2)


def _followed(words: Sequence[str], mark: str, other: str) -> list[list[str]]:
    """What follows when a mark is replaced. Where no sentence begins any more, the next word may
    be a name."""
    if not words:
        return [[]]
    first, *rest = words
    ended, ends = mark in _SENTENCE_ENDS, other in _SENTENCE_ENDS
    if ends and not ended:
        return [[first[:1].upper() + first[1:], *rest]]
    if ended and not ends:
        return [[first, *rest], [first[:1].lower() + first[1:], *rest]]
    return [[first, *rest]]


def main(
    setup: Setup,
    clips: Annotated[int, typer.Option(min=0, help="Clips; 0 takes all.")] = 0,
    weight: Annotated[
        float, typer.Option(help="Of the LLM's log-probability.")
    ] = FusionWeights.llm,
) -> None:
    known = load_marks(BOOK_MARKS)
    spoken = [clip for clip in setup.clips() if clip.id in known]
    if not spoken:
        raise typer.BadParameter(f"{setup.speech} has none of the clips of {BOOK_MARKS.name}")
    spoken = spoken[: clips or len(spoken)]
    engine = Engine.load(EngineOptions(threads=setup.threads))
    if engine._llm is None:
        raise typer.BadParameter("marks are not decided without the LLM")
    weights = replace(FusionWeights(), llm=weight, emotion_in_context=True)
    counts: dict[str, list[Counts]] = {name: [] for name in HEARD}
    errors = WordErrors()
    try:
        for clip in track(spoken, "hearing", console=Console(stderr=True)):
            book = printed(clip.text, known[clip.id])
            texts = decide(engine, engine._llm, weights, np.concatenate(clip.pieces()))
            for name, text in zip(HEARD, texts, strict=True):
                counts[name].append(count_marks([book], captioned(text)))
            errors += word_errors(clip.text, texts[0])
    finally:
        engine.close()
    found = {name: np.concatenate(some) for name, some in counts.items()}
    results = summarize(found, dict.fromkeys(HEARD, errors), setup.seed)
    parameters = {"clips": len(spoken), "words": errors.reference_words, "weight": weight}
    notes = [
        f"{DRAFT}: marks as the ear has them; the others: where the LLM has a say in marks",
        "the end of a clip is the end of what is read, and easy; captions go on",
    ]
    setup.publish("llm_marks", parameters, results, draw(results), table(results), notes)


app = run_speech(main, DEFAULT_SET)

if __name__ == "__main__":
    app()
