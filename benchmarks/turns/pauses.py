"""The pauses of a recording as the recognizer meets them, step by step.

A recording is heard once, by a session whose turns never end; when a rule would have ended them is
then a matter of arithmetic. Times of decisions are those of steps, a grid of 256 ms.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks.common import blocks
from benchmarks.turns.pitch import STRETCH_MS, pitch_fall
from benchmarks.turns.recordings import Spoken
from streamer.audio.clock import ms_from_samples, samples_from_ms
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine
from streamer.recognition.turns.confidence import Evidence
from streamer.recognition.turns.options import TurnOptions
from streamer.runtime.tracing import NullSpans
from streamer.transcript.events import StepDone
from streamer.transcript.ledger import Ledger

NEVER: Final = TurnOptions(threshold=2.0, timeout_ms=1e9, max_turn_ms=1e9)
_STRETCH: Final = samples_from_ms(STRETCH_MS)
_TEXT_CHARS: Final = 300
Rule = Callable[[Evidence, float], bool]
"""Whether a turn is over after a pause of so many milliseconds."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Samples of the session clock."""

    kind: str
    recording: str
    since: int
    seen_at: int
    """End of the first step that knew of it."""
    last_at: int
    """End of the last step before somebody spoke."""
    evidence: Evidence
    is_end: bool
    pitch_fall: float | None
    """Semitones; None: too little voice."""
    text: str
    """What was recognized before it, the newest words."""

    def steps_ms(self, hop_ms: float) -> Iterator[float]:
        """Lengths of the pause at the steps that could end the turn."""
        for at in range(self.seen_at, self.last_at + 1, samples_from_ms(hop_ms)):
            yield ms_from_samples(at - self.since)

    def ended_ms(self, rule: Rule, hop_ms: float) -> float | None:
        """When the rule ends the turn; None: somebody spoke before."""
        return next((ms for ms in self.steps_ms(hop_ms) if rule(self.evidence, ms)), None)


def pauses(engine: Engine, spoken: Spoken) -> list[Pause]:
    """Those whose truth is known."""
    options = SessionOptions(emotion=False, decoder=engine.default_decoder, turns=NEVER)
    recognizer = engine.recognizer(options, NullSpans())
    detector = recognizer.turns
    assert detector is not None
    found: list[tuple[int, int, int, Evidence]] = []

    def note(step: StepDone) -> None:
        since, evidence = detector.silent_since, detector.evidence
        if since is None or evidence is None:
            return
        at = step.processed_sample
        seen_at = found.pop()[1] if found and found[-1][0] == since else at
        found.append((since, seen_at, at, evidence))

    ledger: Ledger = recognizer.ledger
    words = {}
    try:
        for block in blocks(spoken.samples):
            recognizer.accept(block)
            while recognizer.due():
                for event in recognizer.step(thorough=True):
                    if isinstance(event, StepDone):
                        note(event)
                words.update({word.id: word for word in ledger.words})
        for _ in recognizer.finalize():
            pass
        words.update({word.id: word for word in ledger.words})
    finally:
        recognizer.close()
    known = [words[number] for number in sorted(words)]
    told = []
    for since, seen_at, last_at, evidence in found:
        is_end = spoken.truth.is_end(since, known)
        if is_end is None or not evidence.last_word:
            continue
        text = " ".join(word.text for word in known if word.start_sample < since)[-_TEXT_CHARS:]
        fall = pitch_fall(spoken.samples[max(0, since - _STRETCH) : since])
        told.append(
            Pause(spoken.kind, spoken.id, since, seen_at, last_at, evidence, is_end, fall, text)
        )
    return told


def save(path: Path, found: Sequence[Pause], speech_s: dict[str, float]) -> None:
    """`speech_s`: by kind."""
    document = {"speech_s": speech_s, "pauses": [asdict(pause) for pause in found]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")


def load(path: Path) -> tuple[list[Pause], dict[str, float]]:
    document = json.loads(path.read_text(encoding="utf-8"))
    rows = document["pauses"]
    found = [Pause(**{**row, "evidence": Evidence(**row["evidence"])}) for row in rows]
    return found, document["speech_s"]
