"""Text messages of a client, checked. No I/O here."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import (
    CLIENT_MESSAGE,
    PROTOCOL_VERSION,
    ClientMessage,
    ErrorCode,
)
from streamer.protocol.strict_json import DuplicateKeyError, StrictJsonError, read_object

_TYPES: Final = "start, finalize, stop, configure, resume"
_FIRST_MESSAGES: Final = frozenset({"start", "resume"})
_DISCRIMINATOR_ERRORS: Final = frozenset({"union_tag_invalid", "union_tag_not_found"})


def parse_text(text: str) -> ClientMessage:
    """Read a JSON message.

    Raises:
        ProtocolError: `bad_message`, or `bad_config` if the fields of `start` or `resume` are
            wrong.
    """
    try:
        raw = read_object(text)
    except DuplicateKeyError as error:
        raise ProtocolError(
            ErrorCode.BAD_CONFIG, f"{error.key} is given twice; send each setting once"
        ) from error
    except StrictJsonError as error:
        raise ProtocolError(
            ErrorCode.BAD_MESSAGE,
            f"text message {error}; send one of {_TYPES} as text, and audio as binary messages",
        ) from error
    version = raw.get("protocol_version", PROTOCOL_VERSION)
    # A type that is no text is told apart below.
    is_first = isinstance(raw.get("type"), str) and raw["type"] in _FIRST_MESSAGES
    if is_first and version != PROTOCOL_VERSION:
        raise ProtocolError(
            ErrorCode.BAD_CONFIG,
            f"protocol_version {version!r:.40} is not spoken here; send {PROTOCOL_VERSION}",
        )
    try:
        return CLIENT_MESSAGE.validate_python(raw)
    except ValidationError as error:
        raise _explain(error, is_first=is_first) from error


def _explain(error: ValidationError, *, is_first: bool) -> ProtocolError:
    first = error.errors(include_url=False, include_context=False)[0]
    if first["type"] in _DISCRIMINATOR_ERRORS:
        return ProtocolError(
            ErrorCode.BAD_MESSAGE, f"unknown message type; send one of {_TYPES}, audio as binary"
        )
    # The first part of the location is the message type that pydantic chose.
    field = ".".join(str(part) for part in first["loc"][1:])
    said = first["msg"][:1].lower() + first["msg"][1:]
    if first["type"] == "extra_forbidden":
        said = "is not a setting of this protocol; remove it"
    elif "input" in first and not isinstance(first["input"], dict):
        said += f", not {first['input']!r:.40}"
    code = ErrorCode.BAD_CONFIG if is_first else ErrorCode.BAD_MESSAGE
    return ProtocolError(code, f"{field[:80]}: {said}")
