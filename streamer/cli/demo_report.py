"""The demo's closing tables: words against the reference, emotions, and where the time went."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from streamer.cli.demo_play import DemoResult, Programme, emotion_in, heard_in
from streamer.cli.output.caption_view import EMOTION_STYLES
from streamer.protocol.messages import Percentiles
from streamer.runtime.tracing import StagePercentiles
from streamer.transcript.wer import WordErrors, word_errors


def report(show: Programme, result: DemoResult) -> RenderableType:
    """Both tables."""
    return Group(_clips_table(show, result), Text(), _latency_table(result))


def print_report(console: Console, show: Programme, result: DemoResult) -> None:
    console.print()
    console.print(report(show, result))


def total_errors(show: Programme, result: DemoResult) -> WordErrors:
    """Over all clips."""
    counts = (
        word_errors(placed.clip.text, heard_in(placed, result.segments)) for placed in show.clips
    )
    return sum(counts, WordErrors())


def _clips_table(show: Programme, result: DemoResult) -> Table:
    table = Table(title="What was said, and what was heard", expand=True, show_lines=True)
    table.add_column("clip", no_wrap=True)
    table.add_column("reference (dim) and captions", ratio=1)
    table.add_column("WER", justify="right", no_wrap=True)
    table.add_column("acted", no_wrap=True)
    table.add_column("heard", no_wrap=True)
    for number, placed in enumerate(show.clips, start=1):
        heard = heard_in(placed, result.segments)
        emotion = emotion_in(placed, result.segments)
        errors = word_errors(placed.clip.text, heard)
        table.add_row(
            str(number),
            Text(placed.clip.text.lower(), style="dim").append(
                f"\n{heard or '(nothing)'}", "not dim"
            ),
            f"{errors.rate:.0%}",
            placed.clip.label or "(read)",
            Text(emotion, style=EMOTION_STYLES.get(emotion, "default")),
        )
    total = total_errors(show, result)
    table.add_row(
        "all",
        f"of {total.reference_words} words {total.substitutions} wrong, "
        f"{total.deletions} missing, {total.insertions} too many",
        f"{total.rate:.1%}",
        "",
        _hits(show, result),
    )
    return table


def _hits(show: Programme, result: DemoResult) -> str:
    acted = [placed for placed in show.clips if placed.clip.label is not None]
    hits = sum(emotion_in(placed, result.segments) == placed.clip.label for placed in acted)
    return f"{hits} of {len(acted)}"


def _latency_table(result: DemoResult) -> Table:
    table = Table(title="Where the time went, milliseconds")
    table.add_column("stage")
    for name in ("p50", "p95", "p99"):
        table.add_column(name, justify="right")
    for stage, percentiles in result.stages_ms.items():
        table.add_row(stage, *_row(percentiles))
    if result.lag_ms is not None:
        table.add_section()
        table.add_row("lag of captions", *_row(result.lag_ms))
    return table


def _row(percentiles: Percentiles | StagePercentiles) -> tuple[str, str, str]:
    return (f"{percentiles.p50:.1f}", f"{percentiles.p95:.1f}", f"{percentiles.p99:.1f}")
