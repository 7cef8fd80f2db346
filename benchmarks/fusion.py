"""What each part of the fused decision brings: the LLM, the emotion it is told, the context.

Every clip is streamed once for each condition, as a session of its own. The LLM hears of the
emotion as a stage direction; of the context as text that was said before: what the speech decoder
made of the clips before in the same chapter. Each has a control with the wrong content: emotions
drawn at random, what was heard of somebody else. Differences come with 95 % intervals of a paired
bootstrap over clips.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

import numpy as np
import typer
from matplotlib.figure import Figure
from rapidfuzz.distance import Levenshtein
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.accuracy import bootstrap
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
from benchmarks.offline import OfflineRecognizer
from benchmarks.streaming import Streamed, stream
from benchmarks.tune_fusion import with_weights
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.decoding.llm_lane import TimedFusion
from streamer.models.emotion.classifier import LABELS
from streamer.models.fusion.score import Candidate, FusionWeights, Terms
from streamer.models.llm.contract import Ask
from streamer.models.llm.scorer import LlmScorer
from streamer.recognition.contract import Decoder, SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.recognizer import Recognizer
from streamer.transcript.ledger import Segment
from streamer.transcript.wer import WordErrors, normalize, word_errors

DEFAULT_SETS: Final = "librispeech_test_clean_opus,librispeech_test_other,speechocean762"
CONTEXT_CLIPS: Final = 2
DRAFT, TEXT = "draft", "+ LLM"
"""What is there without an LLM, and what ships."""
REPORTED: Final = 12
"""Clips that are shown of those that gained and of those that lost."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What the decision is given. `context` and `emotion`: none, the right one, a wrong one."""

    decoder: Decoder = "fused"
    context: str = ""
    emotion: str = ""


CONDITIONS: Final[Mapping[str, Condition]] = {
    DRAFT: Condition("draft"),
    TEXT: Condition(),
    "+ emotion": Condition(emotion="right"),
    "+ wrong emotion": Condition(emotion="wrong"),
    "+ context": Condition(context="right"),
    "+ wrong context": Condition(context="wrong"),
}


@dataclass(frozen=True, slots=True)
class Disputed:
    """A word that had a rival: what spoke for it (nats), and whether it was said."""

    word: str
    rival: str
    audio: float
    text: float
    right: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one condition made of one clip."""

    text: str
    errors: WordErrors
    audio_s: float
    compute_s: float
    commit_delays_ms: tuple[float, ...]
    disputed: tuple[Disputed, ...] = ()


class WrongEmotion:
    """A fusion that is told another emotion for each in the voice: as often as the right ones,
    since every change is something more to read."""

    def __init__(self, fusion: TimedFusion, draw: random.Random) -> None:
        self._fusion = fusion
        shuffled = draw.sample(LABELS, len(LABELS))
        self._instead = dict(zip(shuffled, [*shuffled[1:], shuffled[0]], strict=True))
        self.busy_ms = 0.0

    def terms(self, candidates: Sequence[Candidate]) -> list[Terms]:
        return self._fusion.terms(candidates)

    def append(self, text: str) -> None:
        self._fusion.append(text)

    def perceive(self, modality: str, features: Floats) -> None:
        self._fusion.perceive(modality, features)

    def hear(self, emotion: str) -> None:
        self._fusion.hear(self._instead[emotion])


@contextmanager
def engines_by_telling(threads: int) -> Iterator[dict[bool, Engine]]:
    """Engines on the same models, by whether the LLM is told the emotion."""
    engine = Engine.load(EngineOptions(threads=threads))
    weights: FusionWeights = engine._options.weights
    engines = {
        told: with_weights(engine, replace(weights, emotion_in_context=told))
        for told in (False, True)
    }
    try:
        yield engines
    finally:
        for each in (*engines.values(), engine):
            each.close()


def clips_before(clips: Sequence[Recording]) -> dict[str, list[Recording]]:
    """For each clip, those that the same speaker read before it in the same chapter."""
    ordered = sorted(clips, key=lambda clip: clip.id)
    return {
        clip.id: [
            other
            for other in ordered[max(0, at - CONTEXT_CLIPS) : at]
            if other.id.rpartition("-")[0] == clip.id.rpartition("-")[0]
            and other.speaker == clip.speaker
        ]
        for at, clip in enumerate(ordered)
    }


def heard_before(offline: OfflineRecognizer, clips: Sequence[Recording]) -> str:
    """What a session would know by then, punctuation and capitals included."""
    return " ".join(offline.greedy(piece) for clip in clips for piece in clip.pieces())


def sentence(text: str) -> str:
    """Capitals all over would be strange to the LLM."""
    return text.capitalize() + "." if text else ""


def hear(
    engines: Mapping[bool, Engine], condition: Condition, clip: Recording, contexts: Sequence[str]
) -> Outcome:
    """`engines` by whether the LLM is told emotions, `contexts`: the right one, a wrong one."""
    engine = engines[bool(condition.emotion)]
    context = {"": "", "right": contexts[0], "wrong": contexts[1]}[condition.context]

    def prepare(recognizer: Recognizer) -> None:
        if condition.emotion == "wrong" and recognizer._fusion is not None:
            recognizer._fusion = WrongEmotion(recognizer._fusion, random.Random(clip.id))

    options = SessionOptions(decoder=condition.decoder, context=context)
    streamed: Streamed = stream(engine, np.concatenate(clip.pieces()), options, prepare)
    result = streamed.transcription
    return Outcome(
        result.text,
        word_errors(clip.text, result.text),
        result.n_samples / SAMPLE_RATE,
        result.compute_s,
        streamed.commit_delays_ms,
        tuple(disputed_words(clip.text, result.segments)),
    )


def disputed_words(reference: str, segments: Sequence[Segment]) -> list[Disputed]:
    """Words with a decision, held against the reference."""
    spelled = [
        (word, token)
        for segment in segments
        for word in segment.words
        for token in normalize(word.text)[:1]
    ]
    heard = [token for _, token in spelled]
    right: set[int] = set()
    for operation in Levenshtein.opcodes(normalize(reference), heard):
        if operation.tag == "equal":
            right.update(range(operation.dest_start, operation.dest_end))
    return [
        Disputed(
            word.text, word.decision.rival, word.decision.audio, word.decision.text, at in right
        )
        for at, (word, _) in enumerate(spelled)
        if word.decision is not None
    ]


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
    rows = [
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
    rows.sort(key=lambda row: -int(row["errors_saved"]))
    saved = [int(row["errors_saved"]) for row in rows]
    return {
        "helped": sum(n > 0 for n in saved),
        "harmed": sum(n < 0 for n in saved),
        "unchanged": sum(n == 0 for n in saved),
        "most_helped": [row for row in rows[:REPORTED] if int(row["errors_saved"]) > 0],
        "most_harmed": [row for row in rows[::-1][:REPORTED] if int(row["errors_saved"]) < 0],
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
        scorer = engines[False]._llm
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
        "references have no punctuation: `benchmarks.punctuation` scores it where print is known",
        "every clip is a session of its own: `+ LLM` knows the clip's own transcript",
    ]
    figures = {
        "sets": results,
        "perplexity": {name: round(value, 2) for name, value in perplexities.items()},
        "utterances": gains_and_harms(chosen, outcomes),
        "decisions": decisions(disputed),
    }
    setup.publish("fusion", parameters, figures, draw(results, disputed), table(results), notes)


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
