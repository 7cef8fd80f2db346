"""JSON of a stranger, read so that nothing behind has to expect the worst of it."""

from __future__ import annotations

import json
import math
from typing import Any, Final

_MAX_DEPTH: Final = 32
_MAX_VALUES: Final = 10_000
_MAX_WHOLE: Final = 2**63


class StrictJsonError(ValueError):
    """What is wrong with a message; reads on from "the message …"."""


class DuplicateKeyError(StrictJsonError):
    """Whoever sends a key twice may mean either value. `key` is in ASCII, and cut short."""

    def __init__(self, key: str) -> None:
        self.key = ascii(key)[1:-1][:64]
        super().__init__(f"gives {self.key} twice")


def read_object(text: str | bytes) -> dict[str, Any]:
    """A JSON object; bytes are UTF-8. Its strings can be written out again, its numbers are
    finite and have no more than 64 bits, its keys stand once, its size and depth are bounded.

    Raises:
        StrictJsonError: it is anything else.
    """
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        message = json.loads(decoded, object_pairs_hook=_without_duplicates)
    except StrictJsonError:
        raise
    except (ValueError, RecursionError) as error:
        raise StrictJsonError("is not JSON") from error
    if not isinstance(message, dict):
        raise StrictJsonError("is not a JSON object")
    _check(message)
    return message


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    message: dict[str, Any] = {}
    for key, value in pairs:
        if key in message:
            raise DuplicateKeyError(key)
        message[key] = value
    return message


def _check(message: dict[str, Any]) -> None:
    waiting: list[tuple[object, int]] = [(message, 1)]
    n_values = 1
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, dict | list):
            n_values += len(value)
            if depth > _MAX_DEPTH or n_values > _MAX_VALUES:
                raise StrictJsonError(
                    f"has more than {_MAX_DEPTH} levels or {_MAX_VALUES} values in it"
                )
            if isinstance(value, dict):
                waiting += [(key, depth) for key in value]
            inner = value.values() if isinstance(value, dict) else value
            waiting += [(one, depth + 1) for one in inner]
        else:
            _check_scalar(value)


def _check_scalar(value: object) -> None:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise StrictJsonError("has half a character (a lone surrogate) in it") from None
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise StrictJsonError("has a number in it that is not finite")
    elif isinstance(value, int) and abs(value) > _MAX_WHOLE:
        raise StrictJsonError("has a number of more than 64 bits in it")
