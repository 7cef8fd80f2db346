"""Streaming peers beside our server: same clips, same machine, in turns, in real time.

Every clip is heard by one peer after the other before the next clip's turn. Then each peer hears
1, 2, 4 … sessions at once. Peers, their versions and settings are in `install.py`; each gets an
environment of its own, built once in the work folder, which needs a package index.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CalledProcessError
from typing import Annotated, Any, Final

import psutil
import typer
from rich.console import Console

from benchmarks.common import (
    RESULTS,
    DataOption,
    OutOption,
    SeedOption,
    SpeechOption,
    load_clips,
    load_sets,
    percentiles,
    run,
    write_result,
)
from benchmarks.report.peers import summary
from benchmarks.serving.peers.clips import Clip, alignment_error, choose_clips
from benchmarks.serving.peers.install import (
    ADAPTERS,
    NOT_RUN,
    PEERS,
    Peer,
    default_folder,
    python_of,
)
from benchmarks.serving.peers.measures import SessionFigures, session_figures
from benchmarks.serving.peers.process import Cost, Heard, PeerError, PeerProcess
from benchmarks.serving.peers.report import draw, peer_figures, targets
from streamer.models.store.catalog import MOONSHINE
from streamer.models.store.zoo import Zoo
from streamer.transcript.wer import WordErrors

SETS: Final = "librispeech_dev_clean_mp3,librispeech_test_clean_opus,librispeech_test_other"
MAX_ADDED_LAG_MS: Final = 1000.0
ALIGNMENT_CHECKED_ON: Final = 24
"""Clips, those that are heard and more."""
_MAX_LOST_SHARE: Final = 0.05
_CAREFUL: Final = 4
"""The first count of sessions is so many times below what the CPU of one session suggests."""


@dataclass(slots=True)
class Outcome:
    """All that was measured of one peer."""

    peer: Peer
    about: dict[str, Any] = field(default_factory=dict)
    heard: dict[str, list[SessionFigures]] = field(default_factory=dict)
    """By clip, one entry a repetition."""
    costs: list[Cost] = field(default_factory=list)
    rounds: list[dict[str, Any]] = field(default_factory=list)
    failure: str | None = None


class Bench:
    """Peers that are ready to hear, until the block ends."""

    def __init__(self, work: Path, console: Console) -> None:
        self._work = work
        self._console = console
        self._stack = ExitStack()
        (work / "logs").mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(
        self, name: str, adapter: str, environment: str | None, options: Mapping[str, Any]
    ) -> PeerProcess:
        """Install and start an adapter.

        Raises:
            PeerError: its environment could not be built.
        """
        try:
            python = python_of(environment, self._work, self._console.log)
        except CalledProcessError as error:
            raise PeerError(f"{error}; see install-{environment}.log") from error
        log = self._work / "logs" / f"{name.replace(' ', '-')}.log"
        settings = {"cache": str(self._work), **options}
        process = PeerProcess(name, python, ADAPTERS / adapter, settings, log)
        return self._stack.enter_context(process)


def hear_in_turns(
    ready: Mapping[str, PeerProcess],
    outcomes: Mapping[str, Outcome],
    clips: Sequence[Clip],
    repeat: int,
    console: Console,
) -> None:
    """Every clip by every peer, one at a time."""
    for turn in range(repeat):
        for n, clip in enumerate(clips, start=1):
            console.log(f"turn {turn + 1}, clip {n}/{len(clips)}: {clip.audio_s:.0f} s")
            for name, process in ready.items():
                outcome = outcomes[name]
                if outcome.failure is not None:
                    continue
                with noted(outcome):
                    (heard,), cost = process.hear([clip.file])
                    figures = session_figures(heard, clip.words, clip.spans)
                    outcome.heard.setdefault(clip.recording.id, []).append(figures)
                    outcome.costs.append(cost)


@contextmanager
def noted(outcome: Outcome) -> Iterator[None]:
    """A peer that fails is out, and the reason is part of the result."""
    try:
        yield
    except PeerError as error:
        outcome.failure = str(error)


def climb(process: PeerProcess, outcome: Outcome, clips: Sequence[Clip], most: int) -> None:
    """Rounds with more and more sessions, up to the first that is too much.

    Counts are powers of two. The first is well below what the CPU suggests; if even that is too
    much, smaller ones follow.
    """
    audio_s = sum(clip.audio_s for clip in clips) * len(outcome.costs) / len(clips)
    cpu_rate = sum(cost.cpu_s for cost in outcome.costs) / audio_s
    guess = (os.cpu_count() or 1) / cpu_rate / _CAREFUL
    count = min(most, 2 ** max(0, math.floor(math.log2(guess))))
    tried: dict[int, bool] = {}
    while 1 <= count <= most and count not in tried:
        heard_clips = [clips[i % len(clips)] for i in range(count)]
        sessions, cost = process.hear([clip.file for clip in heard_clips])
        one = round_figures(sessions, heard_clips, cost, outcome)
        outcome.rounds.append(one)
        tried[count] = bool(one["carried"])
        count = count * 2 if tried[count] else count // 2


def round_figures(
    sessions: Sequence[Heard], clips: Sequence[Clip], cost: Cost, outcome: Outcome
) -> dict[str, Any]:
    """How much later words appeared than when the same peer heard the same clip alone."""
    added_ms: list[float] = []
    alone_words = lost_words = 0
    errors = WordErrors()
    for session, clip in zip(sessions, clips, strict=True):
        figures = session_figures(session, clip.words, clip.spans)
        errors += figures.errors
        alone = outcome.heard[clip.recording.id][0].shown_ms
        alone_words += len(alone)
        lost_words += len(alone.keys() - figures.shown_ms.keys())
        both = alone.keys() & figures.shown_ms.keys()
        added_ms += [figures.shown_ms[i] - alone[i] for i in both]
    lag = percentiles(added_ms)
    lost = lost_words / max(alone_words, 1)
    audio_s = sum(clip.audio_s for clip in clips)
    return {
        "sessions": len(sessions),
        "added_lag_ms": lag,
        "lost_words_share": round(lost, 3),
        "wer_percent": round(100 * errors.rate, 2),
        "cpu_s_per_audio_s": round(cost.cpu_s / audio_s, 4),
        "peak_rss_mb": round(cost.peak_rss_mb),
        "carried": bool(lag) and lag["p95"] <= MAX_ADDED_LAG_MS and lost <= _MAX_LOST_SHARE,
    }


def wanted_peers(names: Sequence[str]) -> list[Peer]:
    """Those whose name contains one of `names`; without any, those heard by default.

    Raises:
        typer.BadParameter: a name fits none.
    """
    for name in names:
        if not any(name in peer.name for peer in PEERS):
            known = ", ".join(peer.name for peer in PEERS)
            raise typer.BadParameter(f"no peer is called {name!r}; there are: {known}")
    if not names:
        return [peer for peer in PEERS if peer.by_default]
    return [peer for peer in PEERS if any(name in peer.name for name in names)]


def main(
    speech: SpeechOption = SETS,
    data: DataOption = Path("data"),
    clips: Annotated[int, typer.Option(min=1, help="Utterances of 10 to 30 s.")] = 6,
    repeat: Annotated[int, typer.Option(min=1, help="Turns through all clips.")] = 1,
    peer: Annotated[
        list[str] | None, typer.Option(help="Part of a name; may be given twice.")
    ] = None,
    sessions: Annotated[int, typer.Option(min=0, help="At most at once; 0: no load part.")] = 64,
    work: Annotated[Path | None, typer.Option(help="Environments and weights; kept.")] = None,
    seed: SeedOption = 0,
    out: OutOption = RESULTS,
) -> None:
    console, work = Console(width=150), work or default_folder()
    peers = wanted_peers(peer or [])
    warm_up = load_clips("bundled", data)[0].paths[0]
    weights = Zoo().path(MOONSHINE.name, MOONSHINE.files[0].name).parent
    outcomes = {one.name: Outcome(one) for one in peers}
    with tempfile.TemporaryDirectory() as folder, Bench(work, console) as bench:
        with Bench(work, console) as aligners:
            aligner = aligners.start("aligner", "align_pocketsphinx.py", "pocketsphinx", {})
            count = max(clips, ALIGNMENT_CHECKED_ON)
            aligned = choose_clips(load_sets(speech, data), count, seed, Path(folder), aligner)
            model = {"model": "tiny.en"}
            whisper = aligners.start("check", "align_whisper.py", "whisperlivekit", model)
            alignment = alignment_error(aligned, whisper)
            chosen = aligned[:clips]
        console.log({"clips": [clip.recording.id for clip in chosen], **alignment})
        ready: dict[str, PeerProcess] = {}
        for one in peers:
            console.log(f"starting {one.name}")
            with noted(outcomes[one.name]):
                options = {"warm_up": str(warm_up), "weights": str(weights), **one.options}
                ready[one.name] = bench.start(one.name, one.adapter, one.environment, options)
                ready[one.name].wait_until_ready()
                ready[one.name].hear([chosen[0].file])
                outcomes[one.name].about = ready[one.name].about
        hear_in_turns(ready, outcomes, chosen, repeat, console)
        for name, process in ready.items():
            outcome = outcomes[name]
            if sessions and outcome.peer.load and outcome.failure is None:
                console.log(f"sessions at once: {name}")
                with noted(outcome):
                    climb(process, outcome, chosen, sessions)
    results = result(outcomes, chosen, alignment, seed)
    parameters = {
        "speech": sorted({clip.recording.set_name for clip in chosen}),
        "clips": len(chosen),
        "audio_s": round(sum(clip.audio_s for clip in chosen), 1),
        "repeat": repeat,
        "seed": seed,
        "chunk_ms": 100,
        "silence_after_clip_s": 2.0,
        "max_added_lag_ms": MAX_ADDED_LAG_MS,
        "memory_gib_free_at_end": round(psutil.virtual_memory().available / 2**30, 1),
        "notes": [
            "CPU: of the server's process for servers, of the whole adapter for libraries; from "
            "the first to the last message of a session, so loading and warm-up are not in it",
            "memory: the peak since the process began, loading included",
        ],
    }
    write_result("serving.peers", out, parameters, results, draw(results))
    print(summary(parameters, results))


def result(
    outcomes: Mapping[str, Outcome], clips: Sequence[Clip], alignment: dict[str, Any], seed: int
) -> dict[str, Any]:
    """All figures as they are kept."""
    audio_s = {clip.recording.id: clip.audio_s for clip in clips}
    measured: dict[str, Any] = {}
    for name, outcome in outcomes.items():
        figures: dict[str, Any] = {"settings": outcome.peer.settings, **outcome.about}
        if outcome.failure is not None:
            figures["failure"] = outcome.failure
        if outcome.heard and outcome.failure is None:
            figures |= peer_figures(outcome.heard, outcome.costs, audio_s)
            good = [one["sessions"] for one in outcome.rounds if one["carried"]]
            figures["sessions_carried"] = max(good, default=0) if outcome.rounds else None
            figures["rounds"] = outcome.rounds
        measured[name] = figures
    return {
        "peers": measured,
        "not_run": dict(NOT_RUN),
        "targets": targets(measured, {n: o.heard for n, o in outcomes.items()}, seed),
        "word_times": alignment,
        "clips": {
            clip.recording.id: {"audio_s": round(clip.audio_s, 2), "words": len(clip.words)}
            for clip in clips
        },
    }


app = run(main)

if __name__ == "__main__":
    app()
