"""Numbers in messages of clients."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError


def _no_boolean(value: object) -> object:
    """Python takes `true` for 1."""
    if isinstance(value, bool):
        raise PydanticCustomError("boolean", "must be a number")
    return value


NO_BOOLEAN: Final = BeforeValidator(_no_boolean)
Whole = Annotated[int, NO_BOOLEAN]
