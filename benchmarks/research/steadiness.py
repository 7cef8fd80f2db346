"""How soon words are shown and stand, and how often one that was shown is taken back.

Recordings are heard through the streaming path, a second of silence behind each, with and without
the LLM; and whole, for what streaming costs in errors. Delays are counted from a word's end, as the
recognizer times it, in audio: without the time that computing takes. With `--updates` the draft
decoder that they make of it is heard beside the published one (`streamer.models.train.draft`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import soundfile
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
from benchmarks.quality.accuracy import bootstrap, long_recordings
from benchmarks.quality.commit_curve import TAIL_S
from benchmarks.quality.offline import OfflineRecognizer
from benchmarks.quality.streaming import SeenSegment, Streamed, stream
from benchmarks.serving.live import SAME_WORD_MS
from streamer.audio.clock import SAMPLE_RATE, ms_from_samples
from streamer.recognition.contract import Decoder, SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.transcript.ledger import Word
from streamer.transcript.wer import WordErrors, normalize, word_errors

SETS: Final = (
    "librispeech_test_clean_opus,librispeech_test_other,speechocean762,meetings/ami_meetings,"
    "dictation_irish"
)
PLAIN: Final = "plain"
TUNED: Final = "tuned"
LONGEST_S: Final = 40.0
_ALL: Final = "all"
_STOPS: Final = (".", "?", "!")


@dataclass(frozen=True, slots=True)
class Heard:
    """What one way made of one recording; `streamed` is None if it was heard whole."""

    errors: WordErrors
    streamed: Streamed | None
    audio_s: float
    cpu_s: float
    """Of the whole process."""


Ways = Mapping[str, Heard]


def hear(engines: Mapping[str, Engine], recording: Recording, *, llm: bool) -> Ways:
    """One recording, by `<draft> offline`, `<draft> draft` and, with the LLM, `<draft> fused`."""
    pieces = recording.pieces()
    spoken = np.concatenate([*pieces, np.zeros(round(TAIL_S * SAMPLE_RATE), np.float32)])
    audio_s = len(spoken) / SAMPLE_RATE
    decoders: list[Decoder] = ["draft", "fused"] if llm else ["draft"]
    heard = {}
    for draft, engine in engines.items():
        offline = OfflineRecognizer(engine)
        cpu = time.process_time()
        whole = " ".join(offline.greedy(piece) for piece in pieces)
        errors = word_errors(recording.text, whole)
        heard[f"{draft} offline"] = Heard(errors, None, audio_s, time.process_time() - cpu)
        for decoder in decoders:
            cpu = time.process_time()
            streamed = stream(engine, spoken, SessionOptions(decoder=decoder, emotion=False))
            errors = word_errors(recording.text, streamed.transcription.text)
            took_s = time.process_time() - cpu
            heard[f"{draft} {decoder}"] = Heard(errors, streamed, audio_s, took_s)
    return heard


def summarize(heard: Mapping[str, Sequence[Ways]], seed: int) -> dict[str, Any]:
    """Figures of every group, and of all single clips together."""
    single = [
        one for name, some in heard.items() if not name.startswith("longform") for one in some
    ]
    groups = dict(heard) | ({_ALL: single} if len(heard) > 1 else {})
    return {name: _summary(some, seed) for name, some in groups.items()}


def _summary(heard: Sequence[Ways], seed: int) -> dict[str, Any]:
    errors = {name: [one[name].errors for one in heard] for name in heard[0]}
    ways: dict[str, Any] = {}
    for name in heard[0]:
        some = [one[name] for one in heard]
        draft, way = name.split()
        figures: dict[str, Any] = {
            "wer_percent": round(100 * sum(errors[name], WordErrors()).rate, 3),
            "cpu_s_per_audio_s": round(
                sum(one.cpu_s for one in some) / sum(one.audio_s for one in some), 4
            ),
        }
        if way != "offline":
            figures |= delays_of([one.streamed for one in some if one.streamed is not None])
            figures["over_offline"] = bootstrap(errors[f"{draft} offline"], errors[name], seed)
        if draft == TUNED:
            figures["over_plain"] = bootstrap(errors[f"{PLAIN} {way}"], errors[name], seed)
        ways[name] = figures
    words = sum(one.reference_words for one in errors[f"{PLAIN} offline"])
    return {"recordings": len(heard), "words": words, "ways": ways}


def delays_of(streamed: Sequence[Streamed]) -> dict[str, Any]:
    """How soon words were committed and shown, and how often one was taken back."""
    commits = [delay for one in streamed for delay in one.commit_delays_ms]
    segments = [segment for one in streamed for segment in one.segments]
    shown = [delay for segment in segments for delay in shown_delays_ms(segment)]
    return {
        "commit_delay_ms": percentiles(commits),
        "shown_delay_ms": percentiles(shown),
        "changed_per_word": round(
            sum(one.revised_words for one in streamed) / max(1, len(commits)), 3
        ),
        "false_stops": sum(map(false_stops, segments)),
    }


def shown_delays_ms(segment: SeenSegment) -> list[float]:
    """For each final word: the audio that had arrived when it was first seen at about its place,
    committed or not, behind its end."""
    seen = [
        (heard, word)
        for heard, update in segment.updates
        for word in (*update.committed, *update.tentative)
    ]
    delays = []
    for final in segment.words:
        first = next((heard for heard, word in seen if _is_same(word, final)), None)
        if first is not None:
            delays.append(ms_from_samples(first - final.end_sample))
    return delays


def _is_same(seen: Word, final: Word) -> bool:
    """Tentative words are renumbered when others come in before them, so text and time tell."""
    apart = abs(seen.start_sample + seen.end_sample - final.start_sample - final.end_sample) // 2
    return ms_from_samples(apart) <= SAME_WORD_MS and normalize(seen.text) == normalize(final.text)


def false_stops(segment: SeenSegment) -> int:
    """Updates whose last tentative word closed a sentence that went on."""
    n_committed, count = 0, 0
    for _, update in segment.updates:
        n_committed += len(update.committed)
        if update.tentative and update.tentative[-1].text.endswith(_STOPS):
            place = n_committed + len(update.tentative) - 1
            final = segment.words[place].text if place < len(segment.words) else ""
            count += not final.endswith(_STOPS)
    return count


def table(results: Mapping[str, Any]) -> Table:
    """The summary for people."""
    shown = Table(title="Steadiness")
    left = ("recordings", "way")
    columns = (*left, "WER %", "over offline", "committed p50/p95 ms", "shown", "changed / word")
    for column in columns:
        shown.add_column(column, justify="left" if column in left else "right")
    for group, summary in results.items():
        for at, (name, one) in enumerate(summary["ways"].items()):
            title = f"{group} ({summary['recordings']})" if at == 0 else ""
            cells = [title, name, f"{one['wer_percent']:.2f}"]
            if "over_offline" in one:
                commit, seen = one["commit_delay_ms"], one["shown_delay_ms"]
                cells += [
                    f"{one['over_offline']['wer_points']:+.2f}",
                    f"{commit['p50']:.0f} / {commit['p95']:.0f}" if commit else "",
                    f"{seen['p50']:.0f} / {seen['p95']:.0f}" if seen else "",
                    f"{one['changed_per_word']:.2f}",
                ]
            shown.add_row(*cells)
        shown.add_section()
    return shown


def draw(results: Mapping[str, Any]) -> Figure:
    """Changed words a word, and commit delays, of each group."""
    groups = list(results)
    names = [name for name in results[groups[0]]["ways"] if not name.endswith("offline")]
    picture = figure(11, 4.4)
    changed, delays = picture.subplots(1, 2)
    width = 0.8 / len(names)
    for at, name in enumerate(names):
        draft, decoder = name.split()
        places = np.arange(len(groups)) + (at - (len(names) - 1) / 2) * width
        ways = [results[group]["ways"][name] for group in groups]
        paint: dict[str, Any] = {"color": COLOURS[decoder], "alpha": 1.0 if draft == PLAIN else 0.4}
        changed.bar(places, [way["changed_per_word"] for way in ways], width, label=name, **paint)
        ends = [way["commit_delay_ms"].get("p95", 0) / 1000 for way in ways]
        middles = [way["commit_delay_ms"].get("p50", 0) / 1000 for way in ways]
        delays.bar(places, ends, width, **(paint | {"alpha": paint["alpha"] / 3}))
        delays.bar(places, middles, width, **paint)
    style(changed, "words taken back, of each word", "", "words")
    style(delays, "committed after: median, and 95 % (pale)", "", "s of audio")
    for axes in (changed, delays):
        axes.set_xticks(range(len(groups)), groups, rotation=20, ha="right", fontsize=7)
    changed.legend(frameon=False, fontsize=7)
    return picture


def main(
    setup: Setup,
    clips: Annotated[int, typer.Option(min=0, help="Clips in all; 0 takes every one.")] = 150,
    longform: Annotated[
        int, typer.Option(min=0, help="Also this many recordings of minutes.")
    ] = 12,
    updates: Annotated[Path | None, typer.Option(help="Of the draft decoder.")] = None,
) -> None:
    sets = {name: _short(some) for name, some in load_sets(setup.speech, setup.data).items()}
    recordings = choose(sets, clips, setup.seed)
    if longform:
        recordings |= choose(long_recordings(setup), longform, setup.seed)
    options = EngineOptions(threads=setup.threads, llm=setup.llm, latency="low")
    engines = {PLAIN: Engine.load(options)}
    if updates is not None:
        engines[TUNED] = Engine.load(replace(options, draft=updates))
    work = [(name, one) for name, some in recordings.items() for one in some]
    heard: dict[str, list[Ways]] = {}
    try:
        for name, recording in track(work, "hearing", console=Console(stderr=True)):
            heard.setdefault(name, []).append(hear(engines, recording, llm=setup.llm))
    finally:
        for engine in engines.values():
            engine.close()
    results = summarize(heard, setup.seed)
    setup.publish(
        "research.steadiness",
        {"sets": list(recordings), "clips": clips, "longform": longform, "tail_s": TAIL_S},
        results,
        draw(results),
        table(results),
        ["delays are audio, without the time that computing takes"],
    )


def _short(recordings: Sequence[Recording]) -> list[Recording]:
    """Those that can be heard whole."""
    return [
        one
        for one in recordings
        if all(soundfile.info(path).duration <= LONGEST_S for path in one.paths)
    ]


app = run_speech(main, SETS)

if __name__ == "__main__":
    app()
