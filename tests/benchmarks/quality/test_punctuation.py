from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.common import load_clips, load_longform
from benchmarks.quality.conditions import DRAFT
from benchmarks.quality.punctuation import (
    BOOK_MARKS,
    CLASSES,
    DEFAULT_SET,
    HEARD,
    captioned,
    count_marks,
    f1,
    load_marks,
    printed,
    summarize,
)
from streamer.transcript.wer import WordErrors, normalize

STOP, COMMA, QUESTION = (list(CLASSES).index(name) for name in list(CLASSES)[:3])
FOUND, WRONG, MISSED = range(3)


def test_marks_are_those_behind_words_and_abbreviations_have_none() -> None:
    heard = captioned("\"Well-known, Mr. Hale?\" he said… St. Ives; 'No!' - Then")
    assert " ".join(heard.words) == "well known mister hale he said saint ives no then"
    assert heard.marks == ("", ",", "", "?", "", ".", "", ",", "!", "")


def test_printed_marks_must_have_words_to_stand_behind() -> None:
    assert printed("WHY YES", {0: ",", 1: "—"}).marks == (",", ",")
    with pytest.raises(ValueError, match="word 2"):
        printed("WHY YES", {2: "."})


def test_a_mark_counts_where_its_word_is_aligned() -> None:
    clips = [printed("HE CAME DID HE", {1: ".", 3: "?"}), printed("NO NEVER", {0: ",", 1: "."})]
    right = count_marks(clips, captioned("He came. Did he? No, never."))
    assert right.sum(axis=(0, 1)).tolist() == [4, 0, 0]
    # One word wrong and one added, each with the right mark or a wrong one behind it.
    other = count_marks(clips, captioned("He comes, did he? No, not, ever."))
    assert other[0, STOP].tolist() == [0, 0, 1]
    assert other[0, COMMA].tolist() == [0, 1, 0]
    assert other[0, QUESTION].tolist() == [1, 0, 0]
    assert other[1, COMMA].tolist() == [1, 1, 0]
    assert other[1, STOP].tolist() == [1, 0, 0]
    assert f1(other) == pytest.approx(2 * 3 / (2 * 3 + 2 + 1))


def test_nothing_heard_misses_every_mark() -> None:
    counts = count_marks([printed("HE CAME", {0: ",", 1: "."})], captioned(""))
    assert counts.sum(axis=(0, 1)).tolist() == [0, 0, 2]
    assert f1(counts) == 0


def test_conditions_are_compared_on_the_same_clips() -> None:
    clips = [printed("HE CAME", {1: "."})] * 20
    spoken = dict.fromkeys(HEARD, "He came. " * 20) | {DRAFT: "He came " * 20}
    counts = {name: count_marks(clips, captioned(text)) for name, text in spoken.items()}
    rows = summarize(counts, dict.fromkeys(HEARD, WordErrors(reference_words=40)), seed=0)
    assert rows[DRAFT]["f1"] == 0
    assert rows["+ emotion"]["against"][DRAFT]["f1_ci95"] == [1.0, 1.0]
    assert rows["+ emotion"]["against"]["+ LLM"]["f1"] == 0


def test_the_books_marks_fit_the_texts(shared_data: Path) -> None:
    known = load_marks(BOOK_MARKS)
    texts = {clip.id: clip.text for clip in load_clips(DEFAULT_SET, shared_data)}
    for name, marks in known.items():
        assert list(printed(texts[name], marks).words) == normalize(texts[name])
    chapters = load_longform(DEFAULT_SET, shared_data)
    whole = [one for one in chapters if all(path.stem in known for path in one.paths)]
    assert sum(len(one.paths) for one in whole) == len(known)
