"""What the three latency settings are worth: errors, delay and CPU of each on the same recordings.

low: the draft and the LLM decide; balanced: where they are in doubt, the second listener too;
accurate: always, later. Differences come with 95 % intervals of a paired bootstrap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Final, get_args

import typer

from benchmarks.common import Recording, Setup, choose, load_sets, run_speech
from benchmarks.quality.accuracy import (
    System,
    draw,
    long_recordings,
    measure,
    streaming,
    summarize,
    table,
)
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.latency import Latency

ENGLISH: Final = (
    "librispeech_test_clean_opus,librispeech_test_other,speechocean762,meetings/ami_meetings,"
    "meetings/spokenwoz_calls,dictation_irish,fleurs_7lang,misc_english"
)
SETTINGS: Final[tuple[Latency, ...]] = get_args(Latency)


def main(
    setup: Setup,
    clips: Annotated[int, typer.Option(min=0, help="Of each set, at most; 0 takes all.")] = 50,
    longform: Annotated[int, typer.Option(min=0, help="Also this many recordings of minutes.")] = 4,
    emotion: Annotated[
        bool, typer.Option("--emotion/--no-emotion", help="Run the emotion classifier beside.")
    ] = True,
) -> None:
    recordings = _some_of_each(load_sets(setup.speech, setup.data), clips, setup.seed)
    if longform:
        recordings |= _some_of_each(long_recordings(setup), longform, setup.seed)
    base = Engine.load(EngineOptions(threads=setup.threads, latency="balanced"))
    engines = {name: base.with_options(replace(base.options, latency=name)) for name in SETTINGS}
    try:
        ways: dict[str, System] = {
            name: streaming(engine, "fused", emotion=emotion) for name, engine in engines.items()
        }
        heard = measure(ways, recordings)
    finally:
        for engine in (*engines.values(), base):
            engine.close()
    results = summarize(heard, setup.seed)
    parameters = {"sets": list(recordings), "clips": clips, "longform": longform}
    notes = [
        "CPU seconds are those of the whole process, all threads",
        "the references of the calls look recognizer-made; those of meetings hold all turns in "
        "the order in which they begin",
    ]
    setup.publish(
        "quality.settings", parameters, results, draw(results, heard), table(results), notes
    )


def _some_of_each(
    sets: Mapping[str, Sequence[Recording]], count: int, seed: int
) -> dict[str, list[Recording]]:
    return {name: choose({name: some}, count, seed)[name] for name, some in sets.items()}


app = run_speech(main, ENGLISH)

if __name__ == "__main__":
    app()
