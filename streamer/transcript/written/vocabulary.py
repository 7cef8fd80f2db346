"""The words that numbers are made of, and those that tell what a number is."""

from __future__ import annotations

from typing import Final

# fmt: off
_UNITS: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
)
_TEENS: Final = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
    "eighteen", "nineteen",
)
_TENS: Final = (
    "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)
SMALL_ORDINALS: Final = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7,
    "eighth": 8, "ninth": 9,
}
_ORDINALS: Final = (
    *SMALL_ORDINALS, "tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth",
    "sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth", "thirtieth", "fortieth",
    "fiftieth", "sixtieth", "seventieth", "eightieth", "ninetieth", "hundredth", "thousandth",
    "millionth",
)
DECADES: Final = {
    "twenties": "20s", "thirties": "30s", "forties": "40s", "fifties": "50s", "sixties": "60s",
    "seventies": "70s", "eighties": "80s", "nineties": "90s",
}
SCALES: Final = {
    "hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12,
}
"""Their noughts."""
MONTHS: Final = frozenset({
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
})
MERIDIEMS: Final = {"am": "a.m.", "pm": "p.m.", "a.m": "a.m.", "p.m": "p.m."}
DOLLARS: Final = frozenset({"dollar", "dollars"})
EUROS: Final = frozenset({"euro", "euros"})
CENTS: Final = frozenset({"cent", "cents"})
PERCENT: Final = frozenset({"percent", "per"})
NOUGHTS: Final = frozenset({"oh", "o", "zero"})
REPEATS: Final = {"double": 2, "triple": 3}
# fmt: on

TENS: Final = frozenset(_TENS)
SMALL_NUMBERS: Final = {name: value for value, name in enumerate(_UNITS)}
COUNTED: Final = frozenset({*_UNITS, *_TEENS, *_TENS})
UNCOUNTED: Final = frozenset(
    {"a", "hundreds", "thousands", "millions", "billions", "trillions", "seconds"}
    | {f"{ordinal}s" for ordinal in _ORDINALS}
)
"""What `text_to_num` takes for numbers, and people do not."""

BEGINNING: Final = frozenset(
    {*COUNTED, *SCALES, *_ORDINALS, *DECADES, *REPEATS, *NOUGHTS, "a", "half", "quarter"}
)
"""A written number may begin with one of these, in figures or hyphenated too."""
GOING_ON: Final = frozenset(
    {*BEGINNING, *DOLLARS, *EUROS, *CENTS, *PERCENT, *MERIDIEMS, "hundreds", "minutes"}
    | {"and", "point", "past", "to", "after", "or", "of", "m", "p", "o'clock"}
)
"""And go on with one of these. What follows the last of them is looked at, but is no part of it."""
