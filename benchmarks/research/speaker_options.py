"""How like must two windows of speech be to be of one voice? On conversations of dev speakers.

Detector, endpointer and voice encoder hear each conversation once; then each value tells its
speakers anew. In place of recognized words stand pieces of the true turns, so that all is heard and
what is wrong is wrong about speakers. A segment of more than half a minute is cut there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common import RESULTS, DataOption, OutOption, SeedOption, run, write_json
from benchmarks.quality.speakers import mixtures, share
from benchmarks.quality.voices.errors import Diarization, diarization
from benchmarks.quality.voices.mixtures import Conversation, Turn
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE, samples_from_ms
from streamer.decoding.loading import VAD_FILE
from streamer.models.silero import FRAME_SAMPLES, Vad, VadModel
from streamer.models.speakers.encoder import VoiceEncoder
from streamer.models.store.catalog import SILERO, SPEAKERS
from streamer.models.store.zoo import Zoo
from streamer.recognition.contract import USUAL_SPEAKERS
from streamer.recognition.endpointer import Edge, Endpointer, EndpointerOptions
from streamer.recognition.options import RecognizerOptions
from streamer.recognition.speakers.options import SpeakerOptions
from streamer.recognition.speakers.timeline import (
    CELL_SAMPLES,
    SPEECH,
    Window,
    learn,
    timeline,
)
from streamer.recognition.speakers.voices import Voices
from streamer.recognition.speech_detector import SpeechDetector

VALUES: Final = (0.58, 0.6, 0.62, 0.64, 0.66)
_PIECE_S: Final = 0.3
"""A word's length."""


@dataclass(frozen=True)
class Heard:
    """A segment as its speakers are told from."""

    windows: tuple[Window, ...]
    first_cell: int
    speech: tuple[float, ...]
    """Probability for each cell."""
    pieces: tuple[tuple[int, int], ...]
    """In place of words, in samples."""


@dataclass
class Told:
    """Sums over the conversations of a kind."""

    conversations: int = 0
    speakers: int = 0
    labels: int = 0
    errors: Diarization = field(default_factory=Diarization)

    def summary(self) -> dict[str, Any]:
        return {
            "conversations": self.conversations,
            "speakers": self.speakers,
            "labels": self.labels,
            "confused_percent": share(self.errors.confused_s, self.errors.spoken_s),
        }


def hear(one: Conversation, vad: Vad, encoder: VoiceEncoder) -> list[Heard]:
    """The segments of a conversation, with the usual windows."""
    options = SpeakerOptions()
    # Silence behind it ends the last segment.
    padding = np.zeros(-len(one.samples) % FRAME_SAMPLES + 40 * FRAME_SAMPLES, np.float32)
    samples = np.concatenate([one.samples, padding])
    probabilities = SpeechDetector(vad, 0).probabilities(samples)
    pieces = _pieces(one.turns)
    heard = []
    for start, end in _segments(probabilities):
        inside = tuple(
            (max(a, start), min(b, end)) for a, b in pieces if start <= (a + b) // 2 < end
        )
        if not inside:
            continue
        last = inside[-1][1]
        spans = [
            (a, b)
            for a, b in _spans(start, last, options)
            if np.mean(_of(probabilities, a, b) >= SPEECH) >= options.speech_share
        ]
        windows = tuple(Window(a, b, encoder.embed([samples[a:b]])[0]) for a, b in spans)
        first = start // CELL_SAMPLES
        cells = range(first * CELL_SAMPLES, last, CELL_SAMPLES)
        speech = tuple(float(_of(probabilities, a, a + CELL_SAMPLES).max()) for a in cells)
        heard.append(Heard(windows, first, speech, inside))
    return heard


def tell(segments: Sequence[Heard], options: SpeakerOptions) -> list[Turn]:
    """Who says each piece."""
    voices = Voices(USUAL_SPEAKERS, options.memory)
    told = []
    for one in segments:
        found = timeline(one.windows, one.speech, one.first_cell, voices, options)
        told += [
            Turn(str(found.at(start, end)), start / SAMPLE_RATE, end / SAMPLE_RATE)
            for start, end in one.pieces
        ]
        learn(voices, one.windows, found)
    return told


def table(results: dict[str, dict[str, Any]]) -> Table:
    """The summary for people."""
    shown = Table(title="Speech given to somebody else, % (labels of speakers)")
    kinds = list(next(iter(results.values())))
    for column in ("same", *kinds):
        shown.add_column(column)
    for value, by_kind in results.items():
        cells = (
            f"{one['confused_percent']} ({one['labels']} of {one['speakers']})"
            for one in by_kind.values()
        )
        shown.add_row(value, *cells)
    return shown


def main(
    data: DataOption = Path("data"),
    count: Annotated[int, typer.Option(min=1, help="Conversations of each kind.")] = 24,
    seconds: Annotated[float, typer.Option(min=10, help="Of each conversation.")] = 75,
    seed: SeedOption = 1,
    out: OutOption = RESULTS / "research",
) -> None:
    zoo = Zoo()
    vad = VadModel(zoo.path(SILERO.name, VAD_FILE))
    encoder = VoiceEncoder(zoo.path(SPEAKERS.name, "speakers.onnx"))
    sums: dict[str, dict[str, Told]] = {str(value): {} for value in VALUES}
    everything = mixtures(data, "dev", count, seconds, seed)
    for one in track(everything, "listening", console=Console(stderr=True)):
        segments = hear(one, vad, encoder)
        for value in VALUES:
            turns = tell(segments, replace(SpeakerOptions(), same=value))
            told = sums[str(value)].setdefault(one.name, Told())
            told.conversations += 1
            told.speakers += len({turn.speaker for turn in one.turns})
            told.labels += len({turn.speaker for turn in turns})
            told.errors += diarization(one.turns, turns, len(one.samples) / SAMPLE_RATE).alone
    results = {
        value: {kind: told.summary() for kind, told in by_kind.items()}
        for value, by_kind in sums.items()
    }
    parameters = {"count": count, "seconds": seconds, "seed": seed}
    write_json("research.speaker_options", out, parameters, results)
    Console(width=140).print(table(results))


def _segments(probabilities: Floats) -> Iterator[tuple[int, int]]:
    """Where they start and end, in samples."""
    longest = samples_from_ms(RecognizerOptions().max_segment_ms)
    start = 0
    for found in Endpointer(FRAME_SAMPLES, EndpointerOptions()).push(probabilities.tolist()):
        if found.edge is Edge.START:
            start = found.sample
            continue
        while found.sample - start > longest:
            yield start, start + longest
            start += longest
        yield start, found.sample


def _pieces(turns: Sequence[Turn]) -> list[tuple[int, int]]:
    pieces = []
    for turn in turns:
        n = max(1, round((turn.end_s - turn.start_s) / _PIECE_S))
        edges = np.linspace(turn.start_s, turn.end_s, n + 1) * SAMPLE_RATE
        pieces += [(int(a), int(b)) for a, b in pairwise(edges)]
    return pieces


def _spans(start: int, end: int, options: SpeakerOptions) -> list[tuple[int, int]]:
    """Of the windows of a segment that ends there."""
    window, hop = samples_from_ms(options.window_ms), samples_from_ms(options.hop_ms)
    spans = [(at, at + window) for at in range(start, end - window + 1, hop)]
    covered = spans[-1][1] if spans else start
    if end - max(covered, end - window) >= samples_from_ms(options.shortest_ms):
        spans.append((max(start, end - window), end))
    return spans


def _of(probabilities: Floats, start: int, end: int) -> Floats:
    return probabilities[start // FRAME_SAMPLES : -(-end // FRAME_SAMPLES)]


app = run(main)

if __name__ == "__main__":
    app()
