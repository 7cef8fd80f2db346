from __future__ import annotations

import pytest

from streamer.transcript.written.options import Redaction, WritingOptions
from streamer.transcript.written.writer import Writer
from tests.streamer.transcript.written.sentences import said, text_of, written


def redacted(text: str, what: Redaction) -> str:
    return written(text, WritingOptions(redact=frozenset({what})))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("I have two kids and twenty hens.", "I have **** kids and **** hens."),
        ("No one is the one.", "No one is the one."),
        ("The one, one nine.", "The one, ****."),
        ("At ten thirty p.m. for five dollars.", "At **** for ****."),
        ("It cost 5,000 dollars in 1999.", "It cost **** in ****."),
        ("Born on May twenty third, nineteen ninety.", "Born on May ****."),
        ("My number is oh seven seven double four.", "My number is ****."),
        ("Card 4111-1111-1111-1111.", "Card ****."),
        ("Wait a second, the second one.", "Wait a second, the second one."),
    ],
)
def test_all_numbers(said: str, expected: str) -> None:
    assert redacted(said, "numbers") == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("It is four one one one, one one one one.", "It is ****."),
        ("Four one one one.", "****."),
        ("Forty one eleven twenty two thirty three.", "****."),
        ("Card 4111-1111-1111-1111, or 4111 1111.", "Card ****, or ****."),
        ("It expires in May twenty twenty eight.", "It expires in May ****."),
        ("The security code is one two.", "The security code is ****."),
        ("I have two kids and twenty hens.", "I have two kids and twenty hens."),
        ("In nineteen ninety nine, at ten thirty.", "In nineteen ninety nine, at ten thirty."),
        ("It cost 5,000 dollars in 1999.", "It cost 5,000 dollars in 1999."),
        ("Two hundred and fifty five.", "Two hundred and fifty five."),
    ],
)
def test_card_numbers(said: str, expected: str) -> None:
    assert redacted(said, "pci") == expected


def test_social_security_numbers() -> None:
    assert redacted("It is one two three, four five, six seven.", "ssn") == "It is ****."
    assert redacted("It expires in two years.", "ssn") == "It expires in two years."


def test_what_is_left_is_in_figures_if_it_should_be() -> None:
    options = WritingOptions(numbers=True, redact=frozenset({"pci"}))
    text = "Pay twenty dollars with four one one one one one one one."
    assert written(text, options) == "Pay $20 with ****."


def test_a_number_is_not_shown_while_it_may_become_a_secret() -> None:
    """A card's first digit is shown to nobody; the same of a count is, once it is over."""
    writer = Writer(WritingOptions(redact=frozenset({"pci"})))
    assert text_of(writer.commit(said("My card is four"))) == "My card is"
    assert text_of(writer.show(said("one one"))) == "****"
    assert text_of(writer.show(said("one"))) == "****"
    assert text_of(writer.show(said("cats."))) == "four cats."


def test_nothing_tells_what_almost_was_understood() -> None:
    from streamer.transcript.ledger import Decision
    from tests.fakes import FakeWord

    word = FakeWord("for", 0, 10, 0.5, Decision("four", 1.0, 1.0, 0.0))
    plain, secret = Writer(), Writer(WritingOptions(redact=frozenset({"numbers"})))
    assert plain.commit([word])[0].decision == word.decision
    assert secret.commit([word])[0].decision is None
