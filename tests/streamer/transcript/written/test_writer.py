from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamer.transcript.ledger import NewWord
from streamer.transcript.written.casing import SentenceCase
from streamer.transcript.written.options import WritingOptions
from streamer.transcript.written.writer import Writer
from tests.fakes import FakeWord
from tests.streamer.transcript.written.sentences import NUMBERS, said, text_of, written

# fmt: off
WORDS = [
    "a", "I", "one", "two", "five", "ten", "twenty", "thirty-five", "hundred", "thousand",
    "million", "and", "point", "oh", "half", "quarter", "past", "to", "of", "the", "dollars",
    "cents", "percent", "per", "cent", "o'clock", "p", "m", "pm", "double", "first", "second",
    "third", "May", "in", "at", "nineteen", "nineties", "5", "1,000", "2026", "cats", "people.",
    "twenty,", "five.", "two,", "seconds",
]
# fmt: on
OPTIONS = [
    NUMBERS,
    WritingOptions(redact=frozenset({"pci"})),
    WritingOptions(numbers=True, redact=frozenset({"numbers"})),
]


def test_by_default_words_are_left_alone() -> None:
    text = "Twenty five damn dollars, fuck."
    assert written(text, WritingOptions()) == text


def test_a_number_waits_until_it_is_over() -> None:
    writer = Writer(NUMBERS)
    assert text_of(writer.commit(said("I have twenty"))) == "I have"
    assert text_of(writer.show(said("five"))) == "25"
    assert writer.commit(said("five")) == []
    assert text_of(writer.show([])) == "25"
    assert text_of(writer.commit(said("dollars"))) == ""
    assert text_of(writer.commit(said("left and"))) == "$25 left and"


def test_the_end_of_a_sentence_ends_a_number() -> None:
    writer = Writer(NUMBERS)
    assert text_of(writer.commit(said("It was two hundred."))) == "It was 200."
    assert text_of(writer.commit(said("And five came"))) == "And five came"


def test_a_segment_ends_a_number() -> None:
    """What is said behind the pause is another one: segments never change once they are final."""
    writer = Writer(NUMBERS)
    assert text_of(writer.commit(said("It was two hundred"))) == "It was"
    assert text_of(writer.end_segment()) == "200"
    assert writer.end_segment() == []
    assert text_of(writer.commit(said("and twenty five came"))) == "and 25 came"


def test_a_written_word_lasts_as_long_as_what_was_said() -> None:
    writer = Writer(NUMBERS)
    it, amount, rest = writer.commit(said("It's twenty five dollars left"))
    assert (it.start_sample, it.end_sample) == (0, 80)
    assert (amount.text, amount.start_sample, amount.end_sample) == ("$25", 100, 380)
    assert rest.start_sample == 400


def test_a_written_word_is_as_sure_as_the_least_sure_of_what_was_said() -> None:
    words = [FakeWord("five", 0, 10, 0.9), FakeWord("dollars", 10, 20, 0.4), FakeWord("x", 20, 30)]
    assert [word.confidence for word in Writer(NUMBERS).commit(words)] == [0.4, 0.9]


def test_other_languages_stay_as_they_are() -> None:
    writer = Writer(NUMBERS, language="auto")
    assert text_of(writer.commit(said("one hundred"))) == "one hundred"
    writer.hear("en")
    assert text_of(writer.commit(said("one hundred cats and twenty"))) == "100 cats and"
    writer.hear("de")
    assert text_of(writer.commit(said("hundert"))) == "20 hundert"
    translated = Writer(NUMBERS, language="en", fixed=True)
    translated.hear("de")
    assert text_of(translated.commit(said("twenty one cats"))) == "21 cats"


def test_who_counts_for_ever_is_committed_all_the_same() -> None:
    writer = Writer(NUMBERS)
    committed = [word for _ in range(100) for word in writer.commit(said("twenty, thirty,"))]
    assert len(committed) > 150


@given(
    st.lists(st.sampled_from(WORDS), max_size=30),
    st.lists(st.integers(1, 6), min_size=30, max_size=30),
    st.sampled_from(OPTIONS),
)
def test_it_does_not_matter_how_words_come(
    words: list[str], sizes: list[int], options: WritingOptions
) -> None:
    sentence = said(" ".join(words))
    writer = Writer(options)
    committed: list[NewWord] = []
    rest = list(sentence)
    for size in sizes:
        committed.extend(writer.commit(rest[:size]))
        rest = rest[size:]
        for word in writer.show(rest[:3]):
            assert word.text
    committed.extend(writer.end_segment())
    assert text_of(committed) == written(" ".join(words), options)
    ends = [(word.start_sample, word.end_sample) for word in committed]
    assert ends == sorted(ends)
    assert not sentence or ends[-1][1] == sentence[-1].end_sample


def test_casing_comes_first() -> None:
    writer = Writer(NUMBERS, SentenceCase(lambda word: word in ("and", "the")))
    assert text_of(writer.commit(said("It was two hundred"))) == "It was"
    assert text_of(writer.end_segment()) == "200"
    assert text_of(writer.show(said("And"))) == "and"
    assert text_of(writer.commit(said("And five came."))) == "and five came."
    assert text_of(writer.commit(said("the end"))) == "The end"
