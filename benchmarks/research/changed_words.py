"""Where the words come from that are shown and then changed.

Recordings are heard through the streaming path, a second of silence behind each. Whenever a word
that was shown is another one in the next update, or gone, it is noted which pass changed it, how
far behind its end the sound had come, and whether the reader is better off by the final text. The
rules that keep words on the screen are heard one after the other, each with those before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

import numpy as np
import typer
from rapidfuzz.distance import Levenshtein
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common import Setup, blocks, choose, load_sets, percentiles, run_speech, write_json
from benchmarks.quality.commit_curve import TAIL_S
from benchmarks.quality.streaming import SeenSegment
from benchmarks.research.steadiness import shown_delays_ms
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE, ms_from_samples
from streamer.decoding.decision.shown_words import ShownOptions
from streamer.recognition.contract import Decoder, SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.options import RecognizerOptions
from streamer.recognition.transcribe import transcribe
from streamer.transcript.events import SegmentClosed, SessionEvent, StepDone, WordsUpdate
from streamer.transcript.ledger import Word
from streamer.transcript.wer import WordErrors, normalize, word_errors

SETS: Final = "librispeech_dev_clean_mp3,speechocean762_train"
DRAFT: Final = "draft"
DECISION: Final = "decision"
PAUSE: Final = "pause"
EDGE_MS: Final = 100
YOUNG_MS: Final = 400
MOVED: Final = "moved"
"""Still there, but at another place."""


@dataclass(frozen=True, slots=True)
class Change:
    """A word that was shown and changed."""

    by: str
    """The pass: a draft, a decision of the LLM's, or what is decoded when speech pauses or ends."""
    place: str
    """`edge`: it ended with the sound, when it was shown last; `young`: it had just; `old`."""
    outcome: str
    """From and to what is right by the final text; or `MOVED`."""


@dataclass
class Notes:
    """What one recording's events tell; also takes the spans of its steps."""

    decoder: Decoder
    changes: list[Change] = field(default_factory=list)
    segments: list[SeenSegment] = field(default_factory=list)
    n_words: int = 0
    spans: list[str] = field(default_factory=list)
    """Of the step so far."""
    updates: list[tuple[int, WordsUpdate]] = field(default_factory=list)
    made_by: list[str] = field(default_factory=list)

    def add(self, name: str, lane: str, start_ns: int, end_ns: int) -> None:
        """See `streamer.runtime.tracing.SpanSink`."""
        if name in ("decode", "commit", "fuse"):
            self.spans.append(name)

    def take(self, event: SessionEvent, heard: int) -> None:
        if isinstance(event, StepDone):
            self.spans.clear()
        elif isinstance(event, WordsUpdate):
            self.updates.append((heard, event))
            self.made_by.append(made_by(self.spans, self.decoder))
        elif isinstance(event, SegmentClosed):
            segment = SeenSegment(event.segment.words, tuple(self.updates))
            self.changes += changes(segment, self.made_by)
            self.segments.append(segment)
            self.n_words += len(segment.words)
            self.updates, self.made_by = [], []


def made_by(spans: Sequence[str], decoder: Decoder) -> str:
    """Which pass led to an update, by what has run in its step."""
    if not spans:
        return PAUSE
    if decoder == "draft":
        return DRAFT if spans[-1] == "commit" else PAUSE
    if spans[-1] != "fuse":
        return DRAFT
    return DECISION if "decode" in spans else PAUSE


def changes(segment: SeenSegment, made_by: Sequence[str]) -> list[Change]:
    """All changes of a segment's words, case and marks aside."""
    final = [_key(word) for word in segment.words]
    found: list[Change] = []
    shown: Sequence[Word] = ()
    n_committed, heard_before = 0, 0
    for (heard, update), by in zip(segment.updates, made_by, strict=True):
        words = [*update.committed, *update.tentative]
        old, new = [_key(word) for word in shown], [_key(word) for word in words]
        other = {op.src_pos for op in Levenshtein.editops(old, new) if op.tag != "insert"}
        for at, word in enumerate(shown):
            now = new[at] if at < len(new) else ""
            if old[at] == now:
                continue
            right = final[n_committed + at] if n_committed + at < len(final) else ""
            outcome = MOVED
            if at in other:
                outcome = f"{_name(old[at] == right)} to {_name(now == right)}"
            late_ms = ms_from_samples(heard_before - word.end_sample)
            found.append(Change(by, _place(late_ms), outcome))
        n_committed += len(update.committed)
        shown, heard_before = update.tentative, heard
    return found


def _key(word: Word) -> str:
    return " ".join(normalize(word.text))


def _name(right: bool) -> str:
    return "right" if right else "wrong"


def _place(late_ms: float) -> str:
    if late_ms < EDGE_MS:
        return "edge"
    return "young" if late_ms < YOUNG_MS else "old"


def hear(engine: Engine, samples: Floats, decoder: Decoder) -> tuple[Notes, str]:
    """What changes while a recording is heard, and its text."""
    notes = Notes(decoder)
    recognizer = engine.recognizer(SessionOptions(decoder=decoder, emotion=False), notes)
    with closing(recognizer):
        found = transcribe(
            blocks(samples),
            recognizer,
            on_event=lambda event: notes.take(event, recognizer.received_samples),
        )
    return notes, found.text


def rules() -> dict[str, RecognizerOptions]:
    """From what is decoded, shown as it is, to all rules."""
    default = RecognizerOptions()
    decoder = default.decoder
    no_stand = replace(decoder, fused=replace(decoder.fused, stand_nats=-1.0))
    as_decoded = replace(no_stand, shown=ShownOptions(edge_confidence=0.0, stay_ms=0.0))
    settings = {
        "as decoded": as_decoded,
        "guesses wait, what is shown stays": no_stand,
        "what is drafted stands": decoder,
    }
    return {name: replace(default, decoder=options) for name, options in settings.items()}


def _rules_of(decoder: Decoder) -> list[tuple[str, RecognizerOptions]]:
    """The last is of the LLM's decisions alone."""
    every = list(rules().items())
    return every if decoder == "fused" else every[:-1]


def summarize(heard: Sequence[tuple[Notes, WordErrors]]) -> dict[str, Any]:
    """Changed words a word, in all and by kind."""
    n_words = sum(notes.n_words for notes, _ in heard)
    every = [change for notes, _ in heard for change in notes.changes]
    shown = [
        delay
        for notes, _ in heard
        for segment in notes.segments
        for delay in shown_delays_ms(segment)
    ]

    def shares(kinds: Sequence[str]) -> dict[str, float]:
        counted = Counter(kinds)
        return {kind: round(count / max(1, n_words), 3) for kind, count in counted.most_common()}

    return {
        "words": n_words,
        "wer_percent": round(100 * sum((errors for _, errors in heard), WordErrors()).rate, 3),
        "changed_per_word": round(len(every) / max(1, n_words), 3),
        "shown_delay_ms": percentiles(shown),
        "by_pass": shares([change.by for change in every]),
        "by_place": shares([change.place for change in every]),
        "by_outcome": shares([change.outcome for change in every]),
    }


def table(results: Mapping[str, Any]) -> Table:
    """The summary for people."""
    shown = Table(title="Changed words, of each word")
    for column in ("decoder", "rule", "WER %", "changed", "shown p50/p95 ms", "by outcome"):
        shown.add_column(column)
    for decoder, by_rule in results.items():
        for name, row in by_rule.items():
            delay = row["shown_delay_ms"]
            shown.add_row(
                decoder,
                name,
                f"{row['wer_percent']:.2f}",
                f"{row['changed_per_word']:.2f}",
                f"{delay['p50']:.0f} / {delay['p95']:.0f}",
                ", ".join(f"{kind} {share}" for kind, share in row["by_outcome"].items()),
            )
    return shown


def main(
    setup: Setup,
    clips: Annotated[int, typer.Option(min=0, help="Clips in all; 0 takes every one.")] = 24,
) -> None:
    chosen = choose(load_sets(setup.speech, setup.data), clips, setup.seed)
    recordings = [one for some in chosen.values() for one in some]
    decoders: list[Decoder] = ["draft", "fused"] if setup.llm else ["draft"]
    engine = Engine.load(EngineOptions(threads=setup.threads, llm=setup.llm, latency="low"))
    work = [(decoder, *rule) for decoder in decoders for rule in _rules_of(decoder)]
    results: dict[str, dict[str, Any]] = {}
    with closing(engine):
        for decoder, name, options in track(work, "hearing", console=Console(stderr=True)):
            ruled = engine.with_options(replace(engine.options, recognizer=options))
            heard = []
            with closing(ruled):
                for recording in recordings:
                    tail = np.zeros(round(TAIL_S * SAMPLE_RATE), np.float32)
                    notes, text = hear(ruled, np.concatenate([*recording.pieces(), tail]), decoder)
                    heard.append((notes, word_errors(recording.text, text)))
            results.setdefault(decoder, {})[name] = summarize(heard)
    parameters = {"sets": list(chosen), "clips": len(recordings), "tail_s": TAIL_S}
    write_json("research.changed_words", setup.out, parameters, results)
    Console(width=140).print(table(results))


app = run_speech(main, SETS)

if __name__ == "__main__":
    app()
