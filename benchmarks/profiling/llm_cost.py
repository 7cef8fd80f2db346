"""What an LLM pass costs, and that cheaper scores are the same scores.

Clips go through the streaming path with the LLM. What the LLM is asked is kept and asked again,
clip by clip and in turns, of the same weights in transformers (bfloat16, as any other model is
served) and of the graphs of `models/llm/gemma_graph` (eight bits). CPU time is that of the process,
on one thread. Then the sets of several clips are asked at the same time, as sessions do that
wait for the LLM together.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common import (
    RESULTS,
    DataOption,
    OutOption,
    Recording,
    SeedOption,
    SpeechOption,
    blocks,
    choose,
    figure,
    load_sets,
    percentiles,
    run,
    style,
    write_result,
)
from streamer.decoding.speech import SpeechModels
from streamer.models.fusion.score import Candidate, FusionWeights, LlmFusion, Terms
from streamer.models.llm.contract import LlmRequest
from streamer.models.llm.loading import open_llm
from streamer.models.llm.scorer import LlmScorer
from streamer.models.llm.transformers_folder import CONVERSION_VERSION, convert
from streamer.models.store.progress import Reached
from streamer.models.store.zoo import Zoo
from streamer.recognition.engine import LLM_FILE, LLM_MODEL, Engine, EngineOptions
from streamer.recognition.recognizer import Recognizer
from streamer.recognition.stage_times import StageTimes
from streamer.recognition.transcribe import transcribe
from streamer.recognition.words.drafted import DraftedWords
from streamer.runtime.tracing import NullSpans

TOGETHER: Final = (1, 2, 4, 8)
BEFORE: Final = "transformers"
AFTER: Final = "graphs"


@dataclass(frozen=True, slots=True)
class Asked:
    """What one commit point asked of the LLM."""

    context: tuple[int, ...]
    texts: tuple[str, ...]
    logprobs: tuple[float, ...]
    """By the acoustics."""


@dataclass
class Costs:
    """Milliseconds for each question."""

    cpu_ms: list[float] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)

    @contextmanager
    def count(self, n_questions: int = 1) -> Iterator[None]:
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        self.cpu_ms += [1000 * (time.process_time() - cpu) / n_questions] * n_questions
        self.wall_ms += [1000 * (time.perf_counter() - wall)] * n_questions

    def summary(self) -> dict[str, Any]:
        return {
            "cpu_ms_mean": round(float(np.mean(self.cpu_ms)), 1),
            "cpu_ms": percentiles(self.cpu_ms),
            "wall_ms": percentiles(self.wall_ms),
        }


class _KeepingFusion(LlmFusion):
    """Keeps what it is asked."""

    busy_ms = 0.0

    def __init__(self, scorer: LlmScorer, weights: FusionWeights, kept: list[Asked]) -> None:
        super().__init__(scorer, weights, "")
        self._reads = scorer.context()
        self._read_on = scorer.extend
        self._kept = kept

    def append(self, text: str) -> None:
        super().append(text)
        if text:
            self._read_on(self._reads, f" {text}")

    def terms(self, candidates: Sequence[Candidate]) -> list[Terms]:
        self._kept.append(
            Asked(
                tuple(self._reads.tokens),
                tuple(f" {c.text}" if c.text else "" for c in candidates),
                tuple(c.logprob for c in candidates),
            )
        )
        return super().terms(candidates)


def questions_of(engine: Engine, scorer: LlmScorer, recording: Recording) -> list[Asked]:
    """What the streaming path asks while it hears a recording.

    Raises:
        ValueError: the engine runs other speech models than the project's own.
    """
    if not isinstance(engine.speech, SpeechModels):
        raise ValueError(f"no questions are kept of {engine.speech.name}")
    kept: list[Asked] = []
    stages = StageTimes(NullSpans())
    words = DraftedWords(
        engine.speech,
        engine.options.recognizer,
        fusion=_KeepingFusion(scorer, engine.options.weights, kept),
        stages=stages,
    )
    recognizer = Recognizer(
        engine.speech.vad, engine.options.recognizer, words, emotion=None, stages=stages
    )
    transcribe(blocks(np.concatenate(recording.pieces())), recognizer)
    recognizer.close()
    return kept


def replay(scorer: LlmScorer, asked: Sequence[Asked], costs: Costs) -> list[list[float]]:
    """The scores of one session's questions, in order."""
    context = scorer.context()
    scores = []
    for question in asked:
        context.tokens = list(question.context)
        with costs.count():
            scores += scorer.score([LlmRequest(context, question.texts)])
    return scores


def replay_together(
    scorer: LlmScorer, clips: Sequence[Sequence[Asked]], n_sessions: int, costs: Costs
) -> list[list[list[float]]]:
    """The scores of the clips' questions, when `n_sessions` clips are heard at the same time."""
    scores: list[list[list[float]]] = [[] for _ in clips]
    for at in range(0, len(clips) - n_sessions + 1, n_sessions):
        group = range(at, at + n_sessions)
        contexts = {clip: scorer.context() for clip in group}
        for turn in range(max(len(clips[clip]) for clip in group)):
            waiting = [clip for clip in group if turn < len(clips[clip])]
            passed: list[LlmRequest] = []
            for clip in waiting:
                contexts[clip].tokens = list(clips[clip][turn].context)
                passed.append(LlmRequest(contexts[clip], clips[clip][turn].texts))
            with costs.count(len(waiting)):
                answers = scorer.score(passed)
            for clip, answer in zip(waiting, answers, strict=True):
                scores[clip].append(answer)
    return scores


def agreement(
    clips: Sequence[Sequence[Asked]],
    before: Sequence[Sequence[Sequence[float]]],
    after: Sequence[Sequence[Sequence[float]]],
    weight: float,
) -> dict[str, Any]:
    """How far scores differ, and how often the decision does. Scores are comparable within a
    question only, so each is taken less the mean of its question."""
    differences: list[float] = []
    decided = same = 0
    for asked, old, new in zip(clips, before, after, strict=True):
        for question, a, b in zip(asked, old, new, strict=False):
            differences += np.abs((np.array(a) - np.mean(a)) - (np.array(b) - np.mean(b))).tolist()
            acoustic = np.array(question.logprobs)
            best = [int((acoustic + weight * np.array(scores)).argmax()) for scores in (a, b)]
            decided += 1
            same += best[0] == best[1]
    return {
        "decisions": decided,
        "same_decisions": same,
        "difference_nats": {
            "mean": round(float(np.mean(differences)), 4),
            "p95": round(float(np.percentile(differences, 95)), 4),
            "max": round(max(differences), 4),
        },
    }


def main(
    speech: SpeechOption = "bundled",
    data: DataOption = Path("data"),
    clips: Annotated[int, typer.Option(min=1, help="Clips to hear.")] = 60,
    seed: SeedOption = 0,
    out: OutOption = RESULTS,
) -> None:
    recordings = [r for some in choose(load_sets(speech, data), clips, seed).values() for r in some]
    engine = Engine.load(EngineOptions(threads=1, latency="low"))
    after = engine.llm
    assert after is not None
    before = open_llm(_transformers_folder(Zoo()), threads=1)
    try:
        asked = [
            questions_of(engine, after, recording)
            for recording in track(recordings, "listening", console=Console(stderr=True))
        ]
    finally:
        engine.close()
    costs = {BEFORE: Costs(), AFTER: Costs()}
    scores: dict[str, list[list[list[float]]]] = {BEFORE: [], AFTER: []}
    for some in track(asked, "in turns", console=Console(stderr=True)):
        for name, scorer in ((BEFORE, before), (AFTER, after)):
            scores[name].append(replay(scorer, some, costs[name]))
    weight = FusionWeights().llm
    together: dict[str, Any] = {}
    for n_sessions in track(TOGETHER, "together", console=Console(stderr=True)):
        shared = Costs()
        answers = replay_together(after, asked, n_sessions, shared)
        alike = agreement(asked, scores[AFTER], answers, weight)
        together[str(n_sessions)] = {**shared.summary(), "against_alone": alike}
    results = {
        "questions": sum(len(some) for some in asked),
        "hypotheses_mean": round(float(np.mean([len(q.texts) for a in asked for q in a])), 2),
        **{name: cost.summary() for name, cost in costs.items()},
        "agreement": agreement(asked, scores[BEFORE], scores[AFTER], weight),
        "together": together,
    }
    picture = figure(6, 4)
    axes = picture.subplots()
    bars = {BEFORE: results[BEFORE], **{f"{n} together": together[str(n)] for n in TOGETHER}}
    axes.bar(list(bars), [bar["cpu_ms_mean"] for bar in bars.values()], color="#d95f02")
    style(axes, "CPU time of a question to the LLM", "", "ms")
    parameters = {
        "sets": sorted({recording.set_name for recording in recordings}),
        "clips": len(recordings),
        "weight": weight,
        "seed": seed,
    }
    write_result("profiling.llm_cost", out, parameters, results, picture)
    Console(width=100).print(_table(results))


def _table(results: dict[str, Any]) -> Table:
    shown = Table(title=f"{results['questions']} questions to the LLM")
    for column in ("what", "CPU ms", "p95", "wall p50", "p95", "same decisions", "nats apart"):
        shown.add_column(column, justify="left" if column == "what" else "right")
    rows = [(BEFORE, results[BEFORE], None), (AFTER, results[AFTER], results["agreement"])]
    rows += [(f"{n} together", row, row["against_alone"]) for n, row in results["together"].items()]
    for name, cost, alike in rows:
        shown.add_row(
            name,
            str(cost["cpu_ms_mean"]),
            str(cost["cpu_ms"]["p95"]),
            str(cost["wall_ms"]["p50"]),
            str(cost["wall_ms"]["p95"]),
            f"{alike['same_decisions']}/{alike['decisions']}" if alike else "",
            str(alike["difference_nats"]["mean"]) if alike else "",
        )
    return shown


def _transformers_folder(zoo: Zoo) -> Path:
    """The LLM in transformers' format, converted once."""

    def build(folder: Path, _: Reached) -> None:
        source = folder / LLM_FILE
        zoo.join(LLM_MODEL, LLM_FILE, source)
        convert(source, folder)
        source.unlink()

    return zoo.derived(LLM_MODEL, build, CONVERSION_VERSION)


app = run(main)

if __name__ == "__main__":
    app()
