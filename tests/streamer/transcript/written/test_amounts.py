from __future__ import annotations

import pytest

from tests.streamer.transcript.written.sentences import written


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("There were a hundred and five people.", "There were 105 people."),
        ("There were one hundred five, I think.", "There were 105, I think."),
        ("He is nineteen.", "He is 19."),
        ("Twenty-five, thirty!", "25, 30!"),
        ("Three of nine lives.", "Three of nine lives."),
        ("Ten thousand and forty two.", "10,042."),
        ("Between one hundred and two hundred people.", "Between 100 and 200 people."),
        ("Between ten thousand and twenty thousand.", "Between 10,000 and 20,000."),
        ("Twenty and five are not one.", "20 and five are not one."),
        ("A hundred people, a million things.", "A hundred people, a million things."),
        ("Thousands of people, several hundred.", "Thousands of people, several hundred."),
        ("Five million followers.", "5 million followers."),
        ("One million two hundred thousand people.", "1.2 million people."),
        ("One million two hundred thirty four thousand.", "1,234,000."),
        ("Half a million people.", "Half a million people."),
        ("It is zero point zero five.", "It is 0.05."),
        ("From one to ten.", "From 1 to 10."),
        ("I saw one or twenty.", "I saw one or 20."),
        ("Two or three hundred, three to five million.",) * 2,
        ("Three to fifteen days.", "3 to 15 days."),
        ("From two to six.", "From two to six."),
        ("It has 12 or 1,500.", "It has 12 or 1,500."),
    ],
)
def test_cardinals(said: str, expected: str) -> None:
    assert written(said) == expected


@pytest.mark.parametrize(
    "text",
    [
        "One of them said that no one is the one.",
        "Which one? This one, the other one.",
        "One should not, when one can.",
        "Wait a second, just a second.",
        "The second one came second.",
        "First of all, the third man.",
        "One third of it, two thirds, five sixths, a tenth.",
        "You may second that.",
        "I march five miles.",
    ],
)
def test_words_that_are_seldom_numbers_stay(text: str) -> None:
    assert written(text) == text


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("The twenty first century.", "The 21st century."),
        ("The tenth time, the hundredth time.", "The 10th time, the 100th time."),
        ("The one hundred and third floor.", "The 103rd floor."),
        ("It was a twenty second delay.", "It was a 20 second delay."),
        ("The twenty second president.", "The 22nd president."),
        ("Thirty seconds later.", "30 seconds later."),
    ],
)
def test_ordinals(said: str, expected: str) -> None:
    assert written(said) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("It costs twenty five dollars and fifty cents.", "It costs $25.50."),
        ("Five dollars, please.", "$5, please."),
        ("One dollar and five cents.", "$1.05."),
        ("A twenty dollar bill.", "A $20 bill."),
        ("A million dollars.", "$1 million."),
        ("Two point five billion euros were lost.", "€2.5 billion were lost."),
        ("It made 1.5 million dollars.", "It made $1.5 million."),
        ("Fifty cents.", "50 cents."),
        ("Ten dollars and a coat.", "$10 and a coat."),
        ("Several thousand dollars.", "Several thousand dollars."),
        ("Half a million dollars.", "Half a million dollars."),
        ("Twenty pounds of flour.", "20 pounds of flour."),
    ],
)
def test_money(said: str, expected: str) -> None:
    assert written(said) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Two point five percent.", "2.5%."),
        ("Five per cent of it.", "5% of it."),
        ("A hundred percent!", "100%!"),
        ("Five to ten percent.", "5 to 10%."),
        ("5 percent.", "5%."),
        ("Per cent and percent.", "Per cent and percent."),
    ],
)
def test_percentages(said: str, expected: str) -> None:
    assert written(said) == expected
