"""Swear words of English."""

from __future__ import annotations

import re
from typing import Final

_PROFANE: Final = re.compile(
    r"(mother|cluster|bull|horse|dumb|jack|dip|cock)?-?(fuck|shit|ass-?hole)\w*|"
    r"(dumb|jack|smart|bad)ass(es)?|arse(hole)?s?|bitch(es|y|ing|ed)?|bastards?|bollocks|"
    r"cocksuck\w*|cunt\w*|dick-?heads?|god-?damn(ed|it)?|jerk-?offs?|piss(ed|ing|er|es)?|pricks?|"
    r"sluts?|slutty|tits|titties|twats?|wank\w*|whores?|fag(got)?s?|nigg(er|a)s?|retards?"
)


def is_profane(key: str) -> bool:
    """
    Args:
        key: a word in lower case, without the marks around it.
    """
    return _PROFANE.fullmatch(key.removesuffix("'s")) is not None
