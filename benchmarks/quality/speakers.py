"""Who speaks: diarization error, words given to the wrong speaker, and what it costs.

Conversations are made of recordings of speakers on whom nothing was chosen (LibriSpeech test-clean;
CREMA-D, whose actors shout, weep and whisper); with `--part dev` of those on whom the options were.
Real meetings follow: the first half minutes of AMI's. Each conversation is a session of its own,
without the LLM; the first of each kind are heard without speakers too.
"""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common import (
    COLOURS,
    RESULTS,
    DataOption,
    OutOption,
    Recording,
    SeedOption,
    blocks,
    figure,
    load_clips,
    run,
    style,
    write_result,
)
from benchmarks.quality.voices.errors import (
    Diarization,
    diarization,
    word_errors,
)
from benchmarks.quality.voices.mixtures import Conversation, Turn, conversation
from streamer.audio.clock import SAMPLE_RATE, seconds_from_samples
from streamer.audio.files import read_samples
from streamer.recognition.contract import USUAL_SPEAKERS, SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.transcribe import transcribe
from streamer.runtime.tracing import NullSpans
from streamer.transcript.ledger import Segment
from streamer.transcript.wer import normalize

Part = Literal["dev", "test"]

_LEAST_CLIPS: Final = 8
_DEV_ACTORS: Final = 40
"""Of CREMA-D, in the order of their numbers."""
_LIBRISPEECH: Final = {"dev": "librispeech_dev_clean_mp3", "test": "librispeech_test_clean_opus"}


@dataclass
class Judged:
    """Sums over the conversations of a kind."""

    conversations: int = 0
    audio_s: float = 0.0
    speakers: int = 0
    labels: int = 0
    alone: Diarization = field(default_factory=Diarization)
    overlap: Diarization = field(default_factory=Diarization)
    words: int = 0
    """Said."""
    wrong: int = 0
    """Errors when each speaker's words are compared by themselves."""
    heard: int = 0
    misplaced: int = 0
    """Heard words whose label is another speaker's than the one whose turn it was."""
    compared: int = 0
    """Conversations that were heard without speakers too."""
    compared_s: float = 0.0
    cpu_s: float = 0.0
    """With speakers, of those that were compared."""
    cpu_without_s: float = 0.0
    same_text: int = 0
    """Of those that were compared: their words are the same without speakers."""

    def summary(self) -> dict[str, Any]:
        return {
            "conversations": self.conversations,
            "minutes": round(self.audio_s / 60, 1),
            "speakers": self.speakers,
            "labels": self.labels,
            "der_percent": round(self.alone.error_percent, 1),
            "missed_percent": share(self.alone.missed_s, self.alone.spoken_s),
            "false_alarm_percent": share(self.alone.false_alarm_s, self.alone.spoken_s),
            "confused_percent": share(self.alone.confused_s, self.alone.spoken_s),
            "overlap_s": round(self.overlap.spoken_s, 1),
            "overlap_der_percent": round(self.overlap.error_percent, 1),
            "words": self.words,
            "cpwer_percent": share(self.wrong, self.words),
            "wrong_speaker_percent": share(self.misplaced, self.heard),
            "compared": self.compared,
            "cpu_ms_a_second": _a_second(self.cpu_s, self.compared_s),
            "cpu_ms_a_second_without": _a_second(self.cpu_without_s, self.compared_s),
            "same_words_without": self.same_text,
        }


def pools(data: Path, part: Part) -> list[tuple[str, dict[str, list[Recording]], int]]:
    """The kinds of conversations, the recordings of each speaker, and how many take part: two to
    four readers, two actors."""
    readers = _one_chapter_each(_by_speaker(load_clips(_LIBRISPEECH[part], data)))
    actors = _by_speaker(load_clips("emotion/crema_d", data))
    chosen = sorted(actors)[:_DEV_ACTORS] if part == "dev" else sorted(actors)[_DEV_ACTORS:]
    kinds = [(f"{n} readers", readers, n) for n in (2, 3, 4)]
    return [*kinds, ("2 actors", {name: actors[name] for name in chosen}, 2)]


def mixtures(data: Path, part: Part, count: int, seconds: float, seed: int) -> list[Conversation]:
    """As many of each kind."""
    return [
        conversation(
            kind,
            {name: pool[name] for name in random.Random(key).sample(sorted(pool), n)},
            seconds,
            key,
        )
        for kind, pool, n in pools(data, part)
        for key in (f"{seed} {part} {kind} {at}" for at in range(count))
    ]


def meetings(data: Path) -> Iterator[Conversation]:
    """AMI's, with their turns as RTTM files tell them."""
    folder = data / "meetings" / "ami_meetings"
    for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if not row.get("rttm"):
            continue
        turns = tuple(
            Turn(fields[7], float(fields[3]), float(fields[3]) + float(fields[4]))
            for fields in map(str.split, (folder / row["rttm"]).read_text().splitlines())
        )
        texts: dict[str, str] = defaultdict(str)
        for turn in row["turns"]:
            texts[turn["speaker"]] += f" {turn['text']}"
        yield Conversation("AMI", read_samples(folder / row["path"]), turns, texts)


def judge(engine: Engine, one: Conversation, judged: Judged, compare: int) -> None:
    """Add a conversation's figures; the first `compare` are heard without speakers too."""
    segments, cpu_s = _hear(engine, one, USUAL_SPEAKERS)
    if judged.compared < compare:
        _compare(judged, one, segments, cpu_s, *_hear(engine, one, 0))
    seconds = seconds_from_samples(len(one.samples))
    found = diarization(one.turns, _told(segments), seconds)
    said: dict[str, list[str]] = defaultdict(list)
    for segment in segments:
        said[str(segment.speaker)] += normalize(segment.text)
        for word in segment.words:
            middle = seconds_from_samples(word.start_sample + word.end_sample) / 2
            judged.heard += 1
            judged.misplaced += found.names.get(str(segment.speaker)) != one.speaker_at(middle)
    truth = {name: " ".join(normalize(text)) for name, text in one.texts.items()}
    judged.conversations += 1
    judged.audio_s += seconds
    judged.speakers += len({turn.speaker for turn in one.turns})
    judged.labels += len({s.speaker for s in segments if s.speaker is not None})
    judged.alone += found.alone
    judged.overlap += found.overlap
    judged.words += sum(len(text.split()) for text in truth.values())
    judged.wrong += word_errors(truth, {label: " ".join(words) for label, words in said.items()})


def table(results: Mapping[str, Any]) -> Table:
    """The summary for people."""
    names = ["minutes", "speakers", "labels", "der_percent", "confused_percent", "cpwer_percent"]
    names += ["wrong_speaker_percent", "cpu_ms_a_second", "cpu_ms_a_second_without"]
    return table_by_kind("Who speaks", results, names)


def table_by_kind(title: str, results: Mapping[str, Any], names: Sequence[str]) -> Table:
    """Figures of those names, a row for each kind of conversation."""
    shown = Table(title=title)
    for column in ("conversations", *names):
        shown.add_column(column.replace("_", " "))
    for kind, found in results.items():
        shown.add_row(f"{found['conversations']} × {kind}", *(str(found[key]) for key in names))
    return shown


def draw(results: Mapping[str, Any]) -> Figure:
    """Errors by kind of conversation."""
    picture = figure(10, 3.8)
    errors, words = picture.subplots(1, 2)
    kinds = list(results)
    bottom = [0.0] * len(kinds)
    parts = (("missed", "offline"), ("false_alarm", "draft"), ("confused", "fused"))
    for part, colour in parts:
        heights = [results[kind][f"{part}_percent"] for kind in kinds]
        label = part.replace("_", " ")
        errors.bar(kinds, heights, bottom=bottom, color=COLOURS[colour], label=label)
        bottom = [a + b for a, b in zip(bottom, heights, strict=True)]
    errors.legend(frameon=False)
    style(errors, "Diarization error, without overlap", "", "% of speech")
    heights = [results[kind]["wrong_speaker_percent"] for kind in kinds]
    words.bar_label(words.bar(kinds, heights, color=COLOURS["fused"]))
    style(words, "Words given to the wrong speaker", "", "% of heard words")
    return picture


def main(
    data: DataOption = Path("data"),
    part: Annotated[str, typer.Option(help="dev or test: whose recordings.")] = "test",
    count: Annotated[int, typer.Option(min=1, help="Conversations of each kind.")] = 4,
    compare: Annotated[
        int, typer.Option(min=1, help="Of each kind, heard without speakers too: CPU, words.")
    ] = 2,
    seconds: Annotated[float, typer.Option(min=10, help="Of each conversation.")] = 75,
    seed: SeedOption = 0,
    out: OutOption = RESULTS,
) -> None:
    engine = Engine.load(EngineOptions(threads=1, llm=False, latency="low", emotion_model=None))
    judged: dict[str, Judged] = defaultdict(Judged)
    chosen: Part = "dev" if part == "dev" else "test"
    everything = [*mixtures(data, chosen, count, seconds, seed), *meetings(data)]
    try:
        for one in track(everything, "listening", console=Console(stderr=True)):
            judge(engine, one, judged[one.name], compare)
    finally:
        engine.close()
    results = {kind: sums.summary() for kind, sums in judged.items()}
    parameters = {"part": part, "count": count, "seconds": seconds, "seed": seed}
    parameters["compare"] = compare
    write_result("quality.speakers", out, parameters, results, draw(results))
    Console(width=140).print(table(results))


def _compare(
    judged: Judged,
    one: Conversation,
    segments: Sequence[Segment],
    cpu_s: float,
    plain: Sequence[Segment],
    cpu_without_s: float,
) -> None:
    judged.compared += 1
    judged.compared_s += seconds_from_samples(len(one.samples))
    judged.cpu_s += cpu_s
    judged.cpu_without_s += cpu_without_s
    judged.same_text += _texts(segments) == _texts(plain)


def _by_speaker(clips: Sequence[Recording]) -> dict[str, list[Recording]]:
    found: dict[str, list[Recording]] = defaultdict(list)
    for clip in clips:
        found[clip.speaker].append(clip)
    return {name: some for name, some in found.items() if len(some) >= _LEAST_CLIPS}


def _one_chapter_each(
    readers: Mapping[str, Sequence[Recording]],
) -> dict[str, list[Recording]]:
    """The chapter of each reader of which there is most: a meeting has one room and one microphone,
    and chapters were recorded on other days, often in others."""
    found = {}
    for name, clips in readers.items():
        chapters: dict[str, list[Recording]] = defaultdict(list)
        for clip in clips:
            chapters[clip.id.rpartition("-")[0]].append(clip)
        found[name] = max(chapters.values(), key=len)
    return found


def _hear(engine: Engine, one: Conversation, speakers: int) -> tuple[tuple[Segment, ...], float]:
    """The segments, and CPU seconds of the whole process."""
    options = SessionOptions(decoder="draft", emotion=False, speakers=speakers)
    recognizer = engine.recognizer(options, NullSpans())
    before = time.process_time()
    try:
        heard = transcribe(blocks(one.samples), recognizer)
    finally:
        recognizer.close()
    return heard.segments, time.process_time() - before


def _told(segments: Sequence[Segment]) -> list[Turn]:
    return [
        Turn(
            str(segment.speaker),
            segment.words[0].start_sample / SAMPLE_RATE,
            max(word.end_sample for word in segment.words) / SAMPLE_RATE,
        )
        for segment in segments
    ]


def _texts(segments: Sequence[Segment]) -> list[str]:
    return [word.text for segment in segments for word in segment.words]


def share(part: float, whole: float) -> float:
    """In percent."""
    return round(100 * part / max(whole, 1e-9), 1)


def _a_second(cpu_s: float, audio_s: float) -> float:
    return round(1000 * cpu_s / max(audio_s, 1e-9), 1)


app = run(main)

if __name__ == "__main__":
    app()
