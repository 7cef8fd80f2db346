from __future__ import annotations

import numpy as np
import pytest

from benchmarks.quality.streaming import SeenSegment
from benchmarks.research.changed_words import Change, Notes, changes, made_by, rules, summarize
from streamer.audio.clock import SAMPLE_RATE
from streamer.recognition.contract import Decoder
from streamer.recognition.options import RecognizerOptions
from streamer.recognition.transcribe import transcribe
from streamer.transcript.events import SessionEvent, WordsUpdate
from streamer.transcript.ledger import Word, WordState
from streamer.transcript.wer import word_errors
from tests.speech_fakes import PreferringFusion, silence, spoken, text, tone_models
from tests.streamer.recognition.feeding import make


def words(said: str) -> tuple[Word, ...]:
    """A word ends each second."""
    return tuple(
        Word(at, word, at * SAMPLE_RATE, (at + 1) * SAMPLE_RATE, 0.9, WordState.TENTATIVE, 0)
        for at, word in enumerate(said.split())
    )


def segment(final: str, *shown: str) -> SeenSegment:
    """Each second another text; what stands in front of a bar is committed."""
    updates = []
    for at, one in enumerate(shown):
        committed, _, tentative = one.rpartition("|")
        every = words(f"{committed} {tentative}")
        n_committed = len(committed.split())
        update = WordsUpdate(0, every[:n_committed], every[n_committed:])
        updates.append(((at + 1) * SAMPLE_RATE, update))
    return SeenSegment(words(final), tuple(updates))


def test_a_change_tells_who_made_it_where_the_word_stood_and_what_came_of_it() -> None:
    seen = segment("thou art", "that", "that art", "thou art", "thou hat", "thou art|")
    assert changes(seen, ["draft", "draft", "decision", "draft", "pause"]) == [
        Change("decision", "old", "wrong to right"),
        Change("draft", "old", "right to wrong"),
        Change("pause", "old", "wrong to right"),
    ]
    at_once = segment("the cat", "the cap", "the cat")
    assert [change.place for change in changes(at_once, ["draft", "draft"])] == ["edge"]


def test_words_behind_one_that_came_in_have_only_moved() -> None:
    seen = segment("a big cat sat", "a cat sat", "a big cat sat")
    assert [change.outcome for change in changes(seen, ["draft", "draft"])] == ["moved"] * 2


def test_case_marks_and_commits_are_no_changes() -> None:
    seen = segment("we are here", "We are.", "we|are here", "are|here", "here|")
    assert changes(seen, ["draft"] * 4) == []


def test_the_pass_is_told_by_what_has_run_in_the_step() -> None:
    assert made_by(["decode", "commit"], "draft") == "draft"
    assert made_by(["decode"], "draft") == "pause"
    assert made_by(["decode"], "fused") == "draft"
    assert made_by(["decode", "fuse"], "fused") == "decision"
    assert made_by(["fuse"], "fused") == "pause"


@pytest.mark.parametrize(
    ("decoder", "passes"),
    [("draft", {"draft", "pause"}), ("fused", {"draft", "decision", "pause"})],
)
def test_every_update_of_a_session_is_noted_with_its_pass(
    decoder: Decoder, passes: set[str]
) -> None:
    said = [10, 11, 12, 13, 14, 15, 16, 17]
    sound = np.concatenate([spoken(said), silence(SAMPLE_RATE)])
    notes, made = Notes(decoder), set()
    fusion = PreferringFusion("") if decoder == "fused" else None
    recognizer = make(tone_models(), fusion=fusion, spans=notes)

    def note(event: SessionEvent) -> None:
        notes.take(event, recognizer.received_samples)
        made.update(notes.made_by)

    found = transcribe(np.split(sound, range(1_600, len(sound), 1_600)), recognizer, on_event=note)
    assert (made, found.text) == (passes, text(said))
    summary = summarize([(notes, word_errors(text(said), found.text))])
    assert (summary["words"], summary["wer_percent"]) == (len(said), 0.0)


def test_the_last_rules_are_the_defaults() -> None:
    every = rules()
    assert len(set(every.values())) == len(every)
    assert list(every.values())[-1] == RecognizerOptions()
