"""Who is known beforehand: how often a known voice is named rightly, and a stranger by its name.

Each conversation is heard twice: with the voice of one who takes part in it, and with that of
somebody who does not. Voices are known by six seconds that are no part of any conversation.
Recordings are those of `benchmarks.quality.speakers`; the threshold was chosen on the dev part.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track

from benchmarks.common import (
    COLOURS,
    RESULTS,
    DataOption,
    OutOption,
    Recording,
    SeedOption,
    blocks,
    figure,
    run,
    style,
    write_result,
)
from benchmarks.quality.speakers import Part, pools, share, table_by_kind
from benchmarks.quality.voices.mixtures import Conversation, conversation
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE, seconds_from_samples
from streamer.recognition.contract import USUAL_SPEAKERS, SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.speakers.options import SpeakerOptions
from streamer.recognition.transcribe import transcribe
from streamer.runtime.tracing import NullSpans

_ENROLLED_S: Final = 6
_ENROLLED_CLIPS: Final = 3
"""Of each speaker; actors' take two seconds."""


@dataclass(frozen=True)
class Case:
    """A conversation, and who is known beforehand."""

    conversation: Conversation
    partner: str
    partner_sound: Floats
    stranger_sound: Floats


@dataclass
class Named:
    """Sums over the conversations of a kind, in words that were heard."""

    conversations: int = 0
    own: int = 0
    """Of the one who is known, while taking part."""
    own_named: int = 0
    known_from_the_first: int = 0
    """Conversations in which most of the first five of these are named."""
    others: int = 0
    others_named: int = 0
    strangers: int = 0
    """Of all, while nobody of them is known."""
    strangers_named: int = 0
    with_a_stranger_named: int = 0
    """Such conversations in which any word is."""

    def summary(self) -> dict[str, Any]:
        return {
            "conversations": self.conversations,
            "own_words": self.own,
            "own_named_percent": share(self.own_named, self.own),
            "known_from_the_first": self.known_from_the_first,
            "others_words": self.others,
            "others_named_percent": share(self.others_named, self.others),
            "strangers_words": self.strangers,
            "strangers_named_percent": share(self.strangers_named, self.strangers),
            "with_a_stranger_named": self.with_a_stranger_named,
        }


def cases(data: Path, part: Part, count: int, seconds: float, seed: int) -> list[Case]:
    """As many of each kind."""
    made = []
    for kind, pool, n in pools(data, part):
        for at in range(count):
            key = f"known {seed} {part} {kind} {at}"
            chance = random.Random(key)
            *speakers, stranger = chance.sample(sorted(pool), n + 1)
            clips = {name: chance.sample(pool[name], len(pool[name])) for name in pool}
            said = {name: clips[name][_ENROLLED_CLIPS:] for name in speakers}
            sounds = [_sound(clips[name][:_ENROLLED_CLIPS]) for name in (speakers[0], stranger)]
            made.append(Case(conversation(kind, said, seconds, key), speakers[0], *sounds))
    return made


def judge(engine: Engine, case: Case, named: Named) -> None:
    """Add a conversation's figures."""
    named.conversations += 1
    own: list[bool] = []
    others: list[bool] = []
    for speaker, is_named in _heard(engine, case.conversation, case.partner_sound):
        (own if speaker == case.partner else others).append(is_named)
    named.own += len(own)
    named.own_named += sum(own)
    named.known_from_the_first += sum(own[:5]) > len(own[:5]) / 2
    named.others += len(others)
    named.others_named += sum(others)
    strangers = [one for _, one in _heard(engine, case.conversation, case.stranger_sound)]
    named.strangers += len(strangers)
    named.strangers_named += sum(strangers)
    named.with_a_stranger_named += any(strangers)


def draw(results: Mapping[str, Any]) -> Figure:
    """Words by kind of conversation."""
    picture = figure(10, 3.8)
    kinds = list(results)
    parts = (
        ("own_named_percent", "Named, of the words of whoever is known", "draft"),
        ("strangers_named_percent", "Named, of the words of strangers", "fused"),
    )
    for axes, (key, title, colour) in zip(picture.subplots(1, 2), parts, strict=True):
        heights = [results[kind][key] for kind in kinds]
        axes.bar_label(axes.bar(kinds, heights, color=COLOURS[colour]))
        style(axes, title, "", "% of heard words")
    return picture


def main(
    data: DataOption = Path("data"),
    part: Annotated[str, typer.Option(help="dev or test: whose recordings.")] = "test",
    count: Annotated[int, typer.Option(min=1, help="Conversations of each kind.")] = 4,
    seconds: Annotated[float, typer.Option(min=10, help="Of each conversation.")] = 60,
    known: Annotated[
        float | None, typer.Option(help="Another threshold than the usual one.")
    ] = None,
    seed: SeedOption = 0,
    out: OutOption = RESULTS,
) -> None:
    usual = SpeakerOptions()
    settings = usual if known is None else replace(usual, known=known)
    options = EngineOptions(
        threads=1, llm=False, latency="low", emotion_model=None, speakers=settings
    )
    engine = Engine.load(options)
    sums: dict[str, Named] = defaultdict(Named)
    chosen: Part = "dev" if part == "dev" else "test"
    try:
        everything = cases(data, chosen, count, seconds, seed)
        for case in track(everything, "listening", console=Console(stderr=True)):
            judge(engine, case, sums[case.conversation.name])
    finally:
        engine.close()
    results = {kind: named.summary() for kind, named in sums.items()}
    parameters = {"part": part, "count": count, "seconds": seconds, "seed": seed}
    parameters["known"] = settings.known
    picture = draw(results)
    write_result("quality.voices.known", out, parameters, results, picture, "known_voices")
    names = [name for name in next(iter(results.values())) if name != "conversations"]
    Console(width=140).print(table_by_kind("Known voices", results, names))


def _sound(clips: Sequence[Recording]) -> Floats:
    whole = np.concatenate([piece for clip in clips for piece in clip.pieces()])
    return whole[: _ENROLLED_S * SAMPLE_RATE]


def _heard(engine: Engine, one: Conversation, known: Floats) -> list[tuple[str, bool]]:
    """Of each word who says it, and whether it is told as that of who is known."""
    options = SessionOptions(
        decoder="draft",
        emotion=False,
        speakers=USUAL_SPEAKERS,
        known_voices=(engine.voice_print(known),),
    )
    recognizer = engine.recognizer(options, NullSpans())
    try:
        segments = transcribe(blocks(one.samples), recognizer).segments
    finally:
        recognizer.close()
    return [
        (
            one.speaker_at(seconds_from_samples(word.start_sample + word.end_sample) / 2),
            segment.speaker == 0,
        )
        for segment in segments
        for word in segment.words
    ]


app = run(main)

if __name__ == "__main__":
    app()
