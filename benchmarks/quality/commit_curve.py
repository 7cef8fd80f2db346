"""What waiting buys: the delay of commits against word errors, for a family of commit rules.

Every rule hears the same recordings through the real streaming path, a second of silence behind
each, so that the last words wait for the end of the segment as they do live. Baseline is plain
agreement: a word is committed when 2, 3, 4 steps in a row gave it. Rules without the LLM are held
against offline greedy decoding, those with it against offline beam search with the LLM. The
defaults were chosen on development speakers; the other sets only show the curve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common import (
    COLOURS,
    Recording,
    Setup,
    choose,
    figure,
    load_sets,
    percentiles,
    run_speech,
    style,
)
from benchmarks.quality.accuracy import DEFAULT_SETS, bootstrap
from benchmarks.quality.offline import OfflineRecognizer
from benchmarks.quality.streaming import stream
from streamer.audio.clock import SAMPLE_RATE
from streamer.recognition.contract import Decoder, SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.options import RecognizerOptions
from streamer.transcript.wer import WordErrors, word_errors

TAIL_S: Final = 1.0
DEVELOPMENT: Final = "development"
HELD_OUT: Final = "held out"
AGREEMENT: Final = "plain agreement"
PLAIN_STEPS: Final = (2, 3, 4)
AGREE_MS: Final = (256, 512, 768, 1_024)
SURVIVE_NATS: Final = (1.0, 3.5, 8.0)
_FAMILY_COLOURS: Final = {AGREEMENT: COLOURS["offline"], **COLOURS}


@dataclass(frozen=True, slots=True)
class Rule:
    """One setting of one family."""

    family: str
    knob: str
    decoder: Decoder
    options: RecognizerOptions
    is_default: bool = False

    @property
    def name(self) -> str:
        return f"{self.family}, {self.knob}"


@dataclass(frozen=True, slots=True)
class Result:
    """What one rule, or an offline system, made of one recording."""

    errors: WordErrors
    commit_delays_ms: tuple[float, ...] = ()
    final_delays_ms: tuple[float, ...] = ()
    revised_words: int = 0


Results = Mapping[str, Result]


def rules(*, llm: bool) -> list[Rule]:
    """The families, each from fast to slow."""
    default = RecognizerOptions()
    decoder = default.decoder
    agreement, fused = decoder.agreement, decoder.fused
    found = []
    for steps in PLAIN_STEPS:
        stood_ms = (steps - 1) * default.hop_ms
        plain = replace(agreement, agree_ms=stood_ms, sure_agree_ms=stood_ms, guard_ms=0)
        options = replace(default, step_silence_ms=0, decoder=replace(decoder, agreement=plain))
        found.append(Rule(AGREEMENT, f"{steps} steps", "draft", options))
    for agree_ms in AGREE_MS:
        chosen = agree_ms == agreement.sure_agree_ms
        rule = replace(
            agreement, agree_ms=max(agree_ms, agreement.agree_ms), sure_agree_ms=agree_ms
        )
        options = replace(default, decoder=replace(decoder, agreement=rule))
        found.append(Rule("draft", f"sure words after {agree_ms:.0f} ms", "draft", options, chosen))
    for nats in SURVIVE_NATS if llm else ():
        chosen = nats == fused.survive_nats
        wide = replace(fused, survive_nats=nats)
        options = replace(default, decoder=replace(decoder, fused=wide))
        found.append(Rule("fused", f"rivals within {nats:g} nats", "fused", options, chosen))
    return found


def hear(engine: Engine, family: Sequence[Rule], recording: Recording, *, llm: bool) -> Results:
    """One recording, offline and by every rule; keys are `offline`, `offline fused`, rule names."""
    samples = np.concatenate(recording.pieces())
    offline = OfflineRecognizer(engine)
    heard = {"offline": Result(word_errors(recording.text, offline.greedy(samples)))}
    if llm:
        heard["offline fused"] = Result(word_errors(recording.text, offline.fused(samples)))
    spoken = np.concatenate([samples, np.zeros(round(TAIL_S * SAMPLE_RATE), np.float32)])
    for rule in family:
        options = SessionOptions(decoder=rule.decoder, emotion=False)
        ruled = engine.with_options(replace(engine.options, recognizer=rule.options))
        with closing(ruled):
            streamed = stream(ruled, spoken, options)
        heard[rule.name] = Result(
            word_errors(recording.text, streamed.transcription.text),
            streamed.commit_delays_ms,
            streamed.final_delays_ms,
            streamed.revised_words,
        )
    return heard


def summarize(
    family: Sequence[Rule], heard: Mapping[str, Sequence[Results]], seed: int
) -> dict[str, Any]:
    """Figures of every group of sets and of all together."""
    groups = {name: some for name, some in heard.items() if some}
    if len(groups) > 1:
        groups["all"] = [one for some in groups.values() for one in some]
    return {name: _summary(family, some, seed) for name, some in groups.items()}


def _summary(family: Sequence[Rule], heard: Sequence[Results], seed: int) -> dict[str, Any]:
    errors = {name: [one[name].errors for one in heard] for name in heard[0]}
    return {
        "recordings": len(heard),
        "words": sum(some.reference_words for some in errors["offline"]),
        "offline": {name: _rate(errors[name]) for name in errors if name.startswith("offline")},
        "rules": [
            {
                "family": rule.family,
                "knob": rule.knob,
                "default": rule.is_default,
                "wer_percent": _rate(errors[rule.name]),
                "over_offline": bootstrap(errors[_base(rule)], errors[rule.name], seed),
                **_delays([one[rule.name] for one in heard]),
            }
            for rule in family
        ],
    }


def _base(rule: Rule) -> str:
    return "offline fused" if rule.decoder == "fused" else "offline"


def _rate(errors: Sequence[WordErrors]) -> float:
    return round(100 * sum(errors, WordErrors()).rate, 3)


def _delays(results: Sequence[Result]) -> dict[str, Any]:
    commits = [delay for one in results for delay in one.commit_delays_ms]
    finals = [delay for one in results for delay in one.final_delays_ms]
    revised = sum(one.revised_words for one in results)
    return {
        "commit_delay_ms": percentiles(commits),
        "final_delay_ms": percentiles(finals),
        "revised_per_committed_word": round(revised / max(1, len(commits)), 3),
    }


def table(results: Mapping[str, Any]) -> Table:
    """The summary for people."""
    shown = Table(title="Delay of commits against word errors")
    columns = ("sets", "rule", "WER %", "over offline", "commit p50/p95 ms", "final", "revised")
    for column in columns:
        shown.add_column(column, justify="left" if column in ("sets", "rule") else "right")
    for group, summary in results.items():
        for name, rate in summary["offline"].items():
            shown.add_row(f"{group} ({summary['recordings']})", name, f"{rate:.2f}")
        for row in summary["rules"]:
            low, high = row["over_offline"]["wer_points_ci95"]
            delay, final = row["commit_delay_ms"], row["final_delay_ms"]
            shown.add_row(
                "",
                f"{row['family']}, {row['knob']}" + (" *" if row["default"] else ""),
                f"{row['wer_percent']:.2f}",
                f"{row['over_offline']['wer_points']:+.2f} [{low:+.2f}, {high:+.2f}]",
                f"{delay['p50']:.0f} / {delay['p95']:.0f}" if delay else "",
                f"{final['p50']:.0f} / {final['p95']:.0f}" if final else "",
                f"{row['revised_per_committed_word']:.2f}",
            )
        shown.add_section()
    return shown


def draw(results: Mapping[str, Any]) -> Figure:
    """For each group WER over the median delay; a thin line reaches to the 95th percentile."""
    groups = [name for name in results if name != "all"]
    picture = figure(6 * len(groups), 4.4)
    panels = picture.subplots(1, len(groups), squeeze=False)[0]
    for axes, group in zip(panels, groups, strict=True):
        summary = results[group]
        for name, rate in summary["offline"].items():
            colour = COLOURS["fused" if name.endswith("fused") else "draft"]
            axes.axhline(rate, color=colour, linestyle="--", linewidth=1, label=name)
        for family in dict.fromkeys(row["family"] for row in summary["rules"]):
            rows = [row for row in summary["rules"] if row["family"] == family]
            colour = _FAMILY_COLOURS[family]
            rates = [row["wer_percent"] for row in rows]
            for tail in ("p50", "p95"):
                at = [row["commit_delay_ms"][tail] / 1000 for row in rows]
                line = {"linestyle": "-", "marker": "o"} if tail == "p50" else {"linestyle": ":"}
                label = f"{family}, {'median' if tail == 'p50' else '95 %'}"
                axes.plot(at, rates, color=colour, markersize=4, label=label, **line)
            for row, rate in zip(rows, rates, strict=True):
                if row["default"]:
                    at_s = row["commit_delay_ms"]["p50"] / 1000
                    axes.plot(at_s, rate, "*", color=colour, markersize=14)
        axes.set_xlim(left=0)
        title = f"{group}: {summary['recordings']} recordings"
        style(axes, title, "from a word's end to its commit, s of audio", "WER, %")
    panels[0].legend(frameon=False, fontsize=7)
    return picture


def main(
    setup: Setup,
    clips: Annotated[int, typer.Option(min=0, help="Clips in all; 0 takes every one.")] = 90,
) -> None:
    chosen = choose(load_sets(setup.speech, setup.data), clips, setup.seed)
    work = [(_group(name), one) for name, some in chosen.items() for one in some]
    family = rules(llm=setup.llm)
    engine = Engine.load(EngineOptions(threads=setup.threads, llm=setup.llm, latency="low"))
    try:
        with ThreadPoolExecutor(setup.threads) as pool:
            running = [
                (group, pool.submit(hear, engine, family, one, llm=setup.llm))
                for group, one in work
            ]
            heard: dict[str, list[Results]] = {}
            for group, one in track(running, "hearing", console=Console(stderr=True)):
                heard.setdefault(group, []).append(one.result())
    finally:
        engine.close()
    results = summarize(family, heard, setup.seed)
    setup.publish(
        "quality.commit_curve",
        {"sets": list(chosen), "clips": len(work), "tail_s": TAIL_S},
        results,
        draw(results),
        table(results),
        [
            "commit delays are audio, without the time that computing takes",
            "final delays begin where the closing silence has been heard and contain computing",
            f"recordings are heard {setup.threads} at a time",
        ],
    )


def _group(set_name: str) -> str:
    return DEVELOPMENT if "dev" in set_name else HELD_OUT


app = run_speech(main, DEFAULT_SETS)

if __name__ == "__main__":
    app()
