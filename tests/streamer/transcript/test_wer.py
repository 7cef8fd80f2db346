"""Word errors: normalization, counts, and the properties of an edit distance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.transcript.wer import WordErrors, align, normalize, word_errors

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=8)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("don't 'quote' o\u2019clock", ["don't", "quote", "o'clock"]),
        ("Mr. Quilter's well-made box", ["mister", "quilter's", "well", "made", "box"]),
        (" -- ", []),
        ("Caf\u00e9 under_score", ["caf\u00e9", "under", "score"]),
    ],
)
def test_normalize(text: str, words: list[str]) -> None:
    assert normalize(text) == words


@pytest.mark.parametrize(
    ("reference", "transcript", "errors"),
    [
        ("the cat sat", "The cat sat.", WordErrors(0, 0, 0, 3)),
        ("the cat sat", "the bat sat", WordErrors(1, 0, 0, 3)),
        ("the cat sat", "cat sat", WordErrors(0, 1, 0, 3)),
        ("the cat sat", "the cat sat down", WordErrors(0, 0, 1, 3)),
        ("the cat sat", "", WordErrors(0, 3, 0, 3)),
        ("", "noise", WordErrors(0, 0, 1, 0)),
    ],
)
def test_counts(reference: str, transcript: str, errors: WordErrors) -> None:
    assert word_errors(reference, transcript) == errors


def test_rates_add_up_over_clips() -> None:
    total = word_errors("a b c", "a b") + word_errors("a", "x")
    assert total.errors == 2
    assert total.rate == 0.5
    assert WordErrors().rate == 0.0
    assert word_errors("", "noise").rate == 1.0


@given(WORDS, WORDS)
def test_it_is_an_edit_distance(reference: list[str], transcript: list[str]) -> None:
    counts = align(reference, transcript)
    assert counts.errors == align(transcript, reference).errors
    assert (counts.errors == 0) == (reference == transcript)
    assert abs(len(reference) - len(transcript)) <= counts.errors
    assert counts.errors <= max(len(reference), len(transcript))
    assert len(reference) - counts.deletions + counts.insertions == len(transcript)


@given(WORDS, WORDS, WORDS)
def test_triangle_inequality(a: list[str], b: list[str], c: list[str]) -> None:
    assert align(a, c).errors <= align(a, b).errors + align(b, c).errors
