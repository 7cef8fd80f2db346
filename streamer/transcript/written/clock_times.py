"""Times of day: "half past ten", "ten thirty p m", "five o'clock"."""

from __future__ import annotations

from typing import Final

from streamer.transcript.written.said import Number, Sentence
from streamer.transcript.written.spans import Piece, Span, one_piece
from streamer.transcript.written.vocabulary import MERIDIEMS, NOUGHTS, SMALL_NUMBERS

_MINUTES_OF: Final = {"half": 30, "quarter": 15}
_BEFORE_A_TIME: Final = frozenset(
    {"at", "by", "until", "till", "before", "after", "around", "since", "from", "to", "it's"}
)
_AFTER_A_TIME: Final = frozenset({"in", "tomorrow", "tonight", "today", "sharp", "train", "flight"})


def clock_time(said: Sentence, at: int) -> Span | None:
    return _parted(said, at) or _minutes_past(said, at) or _hour(said, at)


def _parted(said: Sentence, at: int) -> Span | None:
    """ "half past ten", "a quarter to ten"."""
    part = at + (said.key(at) == "a")
    minutes = _MINUTES_OF.get(said.key(part))
    hour = _hour_number(said, part + 2)
    if minutes is None or hour is None or not said.joins(part + 1) or not said.joins(part + 2):
        return None
    match said.key(part + 1):
        case "past" | "after":
            return _written(said, at, hour, int(hour.value), minutes)
        case "to" | "of" if minutes == 15:
            return _written(said, at, hour, (int(hour.value) - 2) % 12 + 1, 45)
    return None


def _minutes_past(said: Sentence, at: int) -> Span | None:
    """ "twenty past six", "ten minutes past six"."""
    minutes = said.number(at)
    if minutes is None or not 0 < minutes.value < 60 or not minutes.n_digits:
        return None
    past = minutes.last + (said.key(minutes.last) == "minutes")
    hour = _hour_number(said, past + 1)
    if hour is None or said.key(past) != "past" or not said.joins(past):
        return None
    return _written(said, at, hour, int(hour.value), int(minutes.value))


def _hour(said: Sentence, at: int) -> Span | None:
    """ "ten thirty", "five oh five", with what tells that it is a time; "five p m"."""
    hour = said.number(at)
    if hour is None or not 1 <= hour.value <= 12 or not hour.n_digits:
        return None
    minutes, last = _minutes(said, hour.last)
    meridiem, end = _meridiem(said, last)
    text = hour.figures if minutes is None else f"{hour.figures}:{minutes:02d}"
    if meridiem:
        return Span("clock", (Piece(at, last, text), Piece(last, end, meridiem)))
    if minutes is None:
        if said.key(last) == "o'clock" and said.joins(last):
            return Span("clock", (Piece(at, last, text), Piece(last, last + 1, "o'clock")))
        return None
    return one_piece("clock", at, last, text) if _is_time(said, at, last, minutes) else None


def _is_time(said: Sentence, at: int, last: int, minutes: int) -> bool:
    if said.next_number(last) is not None:
        return False
    hour = said.number(at)
    assert hour is not None
    told = said.key(at - 1) in _BEFORE_A_TIME and said.joins(at)
    told = told or (said.key(last) in _AFTER_A_TIME and said.joins(last))
    return told or (hour.value >= 10 and minutes % 5 == 0)


def _minutes(said: Sentence, at: int) -> tuple[int | None, int]:
    """With where they end; `at` if there are none."""
    number = said.next_number(at)
    if number is not None and number.n_digits == 2 and number.value < 60:
        return int(number.value), number.last
    small = SMALL_NUMBERS.get(said.key(at + 1), 0)
    if said.joins(at) and said.key(at) in NOUGHTS and small and said.joins(at + 1):
        return small, at + 2
    return None, at


def _meridiem(said: Sentence, at: int) -> tuple[str, int]:
    """With where it ends; empty if there is none."""
    if not said.joins(at):
        return "", at
    key = said.key(at)
    if key in MERIDIEMS:
        return MERIDIEMS[key], at + 1
    # "p. m." has a full stop inside.
    if key in ("a", "p") and said.key(at + 1) == "m":
        return f"{key}.m.", at + 2
    return "", at


def _hour_number(said: Sentence, at: int) -> Number | None:
    hour = said.next_number(at)
    return hour if hour is not None and hour.n_digits and 1 <= hour.value <= 12 else None


def _written(said: Sentence, first: int, named: Number, hour: int, minutes: int) -> Span:
    last = named.last
    if said.key(last) == "o'clock" and said.joins(last):
        last += 1
    return one_piece("clock", first, last, f"{hour}:{minutes:02d}")
