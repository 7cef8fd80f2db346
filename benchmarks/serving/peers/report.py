"""Figures of all peers, as a picture, and against what we set out to reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib.figure import Figure

from benchmarks.common import COLOURS, figure, percentiles, style
from benchmarks.quality.accuracy import bootstrap
from benchmarks.serving.peers.install import OURS
from benchmarks.serving.peers.measures import SessionFigures
from benchmarks.serving.peers.process import Cost
from streamer.transcript.wer import WordErrors

Heard = Mapping[str, Sequence[SessionFigures]]

SAME_WEIGHTS: Final = ("moonshine 0.5 s", "moonshine 0.3 s")
LOCAL_AGREEMENT: Final = "WhisperLiveKit LA tiny.en"
CPU_SHARE_OF_SAME_WEIGHTS: Final = 1 / 8
CPU_SHARE_OF_LOCAL_AGREEMENT: Final = 1 / 15


def peer_figures(
    heard: Heard, costs: Sequence[Cost], audio_s: Mapping[str, float]
) -> dict[str, Any]:
    """The figures of one peer over all its sessions; delays in milliseconds."""
    sessions = [figures for repeats in heard.values() for figures in repeats]
    heard_s = sum(audio_s[clip] * len(repeats) for clip, repeats in heard.items())
    errors = sum((one.errors for one in sessions), WordErrors())
    shown = [delay for one in sessions for delay in one.shown_ms.values()]
    committed = [delay for one in sessions for delay in one.committed_ms.values()]
    words = max(sum(one.final_words for one in sessions), 1)
    return {
        "wer_percent": round(100 * errors.rate, 2),
        "reference_words": errors.reference_words,
        "cpu_s_per_audio_s": round(sum(cost.cpu_s for cost in costs) / heard_s, 4),
        "peak_rss_mb": round(max(cost.peak_rss_mb for cost in costs)),
        "first_text_ms": percentiles([t for t in (s.first_text_ms for s in sessions) if t]),
        "shown_delay_ms": percentiles(shown),
        "shown_words_share": round(len(shown) / errors.reference_words, 3),
        "committed_delay_ms": percentiles(committed),
        "final_delay_ms": percentiles([one.final_ms for one in sessions]),
        "changed_words_per_word": round(sum(one.changed_words for one in sessions) / words, 3),
        "erased_words_per_word": round(sum(one.erased_words for one in sessions) / words, 3),
        "broken_words_per_word": round(sum(one.broken_words for one in sessions) / words, 3),
        "shows_tentative_text": any(one.tentative for one in sessions),
        "updates_per_s": round(sum(one.updates for one in sessions) / heard_s, 2),
        "texts": {clip: repeats[0].text for clip, repeats in heard.items()},
    }


def targets(
    measured: Mapping[str, Any], heard: Mapping[str, Heard], seed: int
) -> list[dict[str, Any]]:
    """What we set out to reach, with the figures, as far as both sides were measured."""
    done = {name: figures for name, figures in measured.items() if "wer_percent" in figures}
    peers = {name: figures for name, figures in done.items() if name not in OURS}
    tentative = {name: one for name, one in peers.items() if one["shows_tentative_text"]}
    found: list[dict[str, Any]] = []
    for ours in (name for name in OURS if name in done):
        mine = done[ours]
        shares = dict.fromkeys(SAME_WEIGHTS, CPU_SHARE_OF_SAME_WEIGHTS)
        shares[LOCAL_AGREEMENT] = CPU_SHARE_OF_LOCAL_AGREEMENT
        for other, share in shares.items():
            if other in done:
                ratio = mine["cpu_s_per_audio_s"] / done[other]["cpu_s_per_audio_s"]
                what = f"CPU of {ours} / of {other} <= 1/{round(1 / share)}"
                found.append(_target(what, f"1/{1 / ratio:.1f}", ratio <= share))
        for other in SAME_WEIGHTS:
            if other in done:
                found += _same_weights(ours, other, done, heard, seed)
        for which, some in {"": peers, " that shows tentative text": tentative}.items():
            if some:
                key = "changed_words_per_word"
                best = min(some, key=lambda name: some[name][key])
                what = f"changed words of {ours} < those of the best peer{which} ({best})"
                value = f"{mine[key]:.2f} against {some[best][key]:.2f}"
                found.append(_target(what, value, mine[key] < some[best][key]))
    return found


def _same_weights(
    ours: str, other: str, done: Mapping[str, Any], heard: Mapping[str, Heard], seed: int
) -> list[dict[str, Any]]:
    mine, theirs = done[ours], done[other]
    theirs_by_clip, mine_by_clip = (
        [sum((s.errors for s in repeats), WordErrors()) for repeats in heard[name].values()]
        for name in (other, ours)
    )
    points = bootstrap(theirs_by_clip, mine_by_clip, seed)
    wer = f"{mine['wer_percent']} against {theirs['wer_percent']}: {points['wer_points']:+} "
    wer += f"{points['wer_points_ci95']}"
    updates = f"{mine['updates_per_s']} against {theirs['updates_per_s']}"
    return [
        _target(f"WER of {ours} < of {other}", wer, mine["wer_percent"] < theirs["wer_percent"]),
        _target(
            f"updates a second of {ours} >= of {other}",
            updates,
            mine["updates_per_s"] >= theirs["updates_per_s"],
        ),
    ]


def _target(what: str, value: str, met: bool) -> dict[str, Any]:
    return {"target": what, "measured": value, "met": met}


def draw(results: Mapping[str, Any]) -> Figure:
    """Bars side by side: what it costs, how right, how late and how restless it is."""
    done = {n: one for n, one in results["peers"].items() if "wer_percent" in one}
    picture = figure(13, 1.2 + 0.42 * len(done))
    panels = picture.subplots(1, 5, sharey=True)
    keys = ("cpu_s_per_audio_s", "wer_percent", "changed_words_per_word")
    titles = ("CPU s per s of audio", "WER, %", "Changed words per word")
    colours = [_colour(name) for name in done]
    for axes, key, title in zip(panels, keys, titles, strict=False):
        bars = axes.barh(range(len(done)), [one[key] for one in done.values()], color=colours)
        axes.bar_label(bars, fmt="%.2f", fontsize=7, padding=2)
        _dress(axes, title)
    panels[0].set_xscale("log")
    delays = {
        "shown_delay_ms": "Word shown after its end, s",
        "committed_delay_ms": "Word committed after its end, s",
    }
    for axes, (key, title) in zip(panels[3:], delays.items(), strict=True):
        for p, alpha in (("p95", 0.45), ("p50", 1.0)):
            values = [one[key].get(p, 0) / 1000 for one in done.values()]
            axes.barh(range(len(done)), values, color=colours, alpha=alpha)
        _dress(axes, f"{title}\n(dark p50, light p95)")
    panels[0].set_yticks(range(len(done)), list(done))
    panels[0].invert_yaxis()
    return picture


def _dress(axes: Any, title: str) -> None:
    style(axes, "", "", "")
    axes.set_title(title, fontsize=9)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", alpha=0.3)
    axes.margins(x=0.2)


def _colour(name: str) -> str:
    return COLOURS[name.split()[1]] if name in OURS else COLOURS["offline"]
