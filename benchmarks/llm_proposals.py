"""Whether the LLM has corrections of its own to offer: words it would have written instead.

The fused decision chooses among what the speech decoder heard. Here the LLM proposes too: at each
word of the chosen text, those words that it finds likeliest there, given all before. The speech
decoder judges every proposal by ear, as it does with expected words; those that it finds possible
join the hypotheses, and the fused decision is made again. Recordings are heard whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Protocol

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.accuracy import bootstrap
from benchmarks.common import Setup, choose, figure, load_sets, run_speech, style
from benchmarks.offline import OfflineRecognizer
from streamer.audio.arrays import Floats
from streamer.decoding.streaming_decoder import PolicyOptions
from streamer.models.fusion.score import Candidate, LlmFusion
from streamer.models.llm.scorer import LlmScorer
from streamer.models.train.fusion.llm import packaged_gemma
from streamer.models.train.fusion.train import LLM_FOLDER
from streamer.recognition.engine import Engine, EngineOptions
from streamer.transcript.wer import WordErrors, normalize, word_errors

DEFAULT_SET: Final = "librispeech_dev_clean_mp3"
MARGINS: Final = (PolicyOptions.prune_nats, 2 * PolicyOptions.prune_nats)
"""How much less likely than the best, by ear, a proposal may be."""
_SPACE: Final = "▁"
_MARKS: Final = re.compile(r"[^\w']*$")


class Proposer(Protocol):
    def texts(self, text: str) -> list[str]:
        """What may have been said instead."""


class WordProposer:
    """The LLM's likeliest words at each place of a text."""

    def __init__(self, folder: Path, count: int, threads: int) -> None:
        # torch and transformers take seconds to import: only for those who use them.
        import torch
        from tokenizers import Tokenizer
        from transformers import AutoModelForCausalLM

        torch.set_num_threads(threads)
        self._torch = torch
        self._model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._count = count

    def texts(self, text: str) -> list[str]:
        """The text with one word replaced, once for each proposal. Marks stay."""
        words = text.split()
        ids, places = [int(self._model.config.bos_token_id)], []
        for word in words:
            places.append(len(ids) - 1)
            ids += self._tokenizer.encode(f" {word}", add_special_tokens=False).ids
        with self._torch.inference_mode():
            logits = self._model(self._torch.tensor([ids])).logits[0, places]
        found = []
        for at, likeliest in enumerate(logits.topk(self._count).indices.tolist()):
            mark = _MARKS.search(words[at])
            for token in likeliest:
                piece = self._tokenizer.id_to_token(token)
                if piece.startswith(_SPACE) and piece[1:].isalpha():
                    instead = piece[1:] + (mark.group() if mark is not None else "")
                    found.append(" ".join([*words[:at], instead, *words[at + 1 :]]))
        return found


@dataclass(frozen=True)
class Decided:
    """One recording: errors of the choice without and with proposals, those by margin; how many
    there were, and how many the ear found possible and the decision chose, by margin."""

    alone: WordErrors
    helped: tuple[WordErrors, ...]
    n_proposed: int
    n_possible: tuple[int, ...]
    n_chosen: tuple[int, ...]


def decide(
    engine: Engine, scorer: LlmScorer, proposer: Proposer, samples: Floats
) -> tuple[str, list[str], int, list[int]]:
    """The chosen text; by margin, the text chosen with proposals; how many there were; by margin,
    how many were possible by ear."""
    offline = OfflineRecognizer(engine)
    heard = offline.candidates(samples)
    best = max(each.logprob for each in heard)
    fusion = LlmFusion(scorer, engine._options.weights, "")
    alone = _choice(fusion, heard)
    known = {tuple(normalize(each.text)) for each in heard}
    texts = {tuple(normalize(text)): text for text in proposer.texts(alone)}
    proposed = [text for words, text in texts.items() if words not in known]
    judged = [
        Candidate(text, logprob)
        for text, logprob in zip(proposed, offline.judge(samples, proposed), strict=True)
    ]
    chosen, possible = [], []
    for margin in MARGINS:
        likely = [each for each in judged if each.logprob >= best - margin]
        chosen.append(_choice(fusion, [*heard, *likely]))
        possible.append(len(likely))
    return alone, chosen, len(proposed), possible


def _choice(fusion: LlmFusion, candidates: Sequence[Candidate]) -> str:
    totals = [terms.total for terms in fusion.terms(candidates)]
    return candidates[int(np.argmax(totals))].text


def summarize(decided: Sequence[Decided], seed: int) -> dict[str, Any]:
    """Figures without proposals and with those within each margin."""
    alone = [one.alone for one in decided]
    errors = sum(alone, WordErrors())
    results: dict[str, Any] = {
        "recordings": len(decided),
        "words": errors.reference_words,
        "proposals": sum(one.n_proposed for one in decided),
        "wer_percent": round(100 * errors.rate, 3),
        "within": {},
    }
    for at, margin in enumerate(MARGINS):
        helped = [one.helped[at] for one in decided]
        results["within"][f"{margin:g} nats"] = {
            "possible_by_ear": sum(one.n_possible[at] for one in decided),
            "recordings_changed": sum(one.n_chosen[at] for one in decided),
            "wer_percent": round(100 * sum(helped, WordErrors()).rate, 3),
            **bootstrap(alone, helped, seed),
        }
    return results


def table(results: dict[str, Any]) -> Table:
    shown = Table(title=f"{results['proposals']} proposals of the LLM's own")
    for column in ("within", "possible by ear", "recordings changed", "WER %", "difference"):
        shown.add_column(column, justify="right")
    shown.add_row("none asked", "", "", f"{results['wer_percent']:.2f}", "")
    for margin, row in results["within"].items():
        low, high = row["wer_points_ci95"]
        shown.add_row(
            margin,
            str(row["possible_by_ear"]),
            str(row["recordings_changed"]),
            f"{row['wer_percent']:.2f}",
            f"{row['wer_points']:+.2f} [{low:+.2f}, {high:+.2f}]",
        )
    return shown


def draw(results: dict[str, Any]) -> Figure:
    """How few proposals the ear finds possible, and what they change."""
    picture = figure(9, 3.6)
    left, right = picture.subplots(1, 2)
    labels = list(results["within"])
    rows = list(results["within"].values())
    shares = [100 * row["possible_by_ear"] / max(1, results["proposals"]) for row in rows]
    left.bar_label(left.bar(labels, shares, color="#7570b3"), fmt="%.2f %%", fontsize=8)
    style(left, "Proposals that the ear finds possible", "within", "% of all")
    middle = np.array([row["wer_points"] for row in rows])
    ends = np.array([row["wer_points_ci95"] for row in rows]).T
    right.errorbar(range(len(rows)), middle, abs(ends - middle), fmt="o", capsize=3)
    right.axhline(0, color="grey", linewidth=0.8)
    right.set_xticks(range(len(rows)), labels)
    style(right, "WER against no proposals", "within", "points")
    return picture


def main(
    setup: Setup,
    clips: Annotated[int, typer.Option(min=1, help="Clips in all.")] = 60,
    count: Annotated[int, typer.Option(min=1, help="Words proposed at each place.")] = 20,
    converted: Annotated[Path, typer.Option(help="Where the LLM is converted to.")] = LLM_FOLDER,
) -> None:
    chosen = choose(load_sets(setup.speech, setup.data), clips, setup.seed)
    spoken = [clip for some in chosen.values() for clip in some]
    proposer = WordProposer(packaged_gemma(converted), count, setup.threads)
    engine = Engine.load(EngineOptions(threads=setup.threads))
    if engine._llm is None:
        raise typer.BadParameter("nothing is proposed without the LLM")
    decided = []
    try:
        for clip in track(spoken, "hearing", console=Console(stderr=True)):
            samples = np.concatenate(clip.pieces())
            alone, helped, n_proposed, n_possible = decide(engine, engine._llm, proposer, samples)
            decided.append(
                Decided(
                    word_errors(clip.text, alone),
                    tuple(word_errors(clip.text, text) for text in helped),
                    n_proposed,
                    tuple(n_possible),
                    tuple(int(normalize(text) != normalize(alone)) for text in helped),
                )
            )
    finally:
        engine.close()
    results = summarize(decided, setup.seed)
    parameters = {"clips": clips, "words_at_each_place": count, "sets": list(chosen)}
    notes = ["a word that is several tokens to the LLM is not proposed"]
    setup.publish("llm_proposals", parameters, results, draw(results), table(results), notes)


app = run_speech(main, DEFAULT_SET)

if __name__ == "__main__":
    app()
