"""What a voice is known by, as text: the base64 of numbers of 16 bits."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, Field

VOICE_NUMBERS: Final = 256
_TYPE: Final = np.dtype("<f2")
_LONGEST: Final = 1.01
"""A mean of vectors of length 1, rounded, is not longer."""


def voice_text(numbers: npt.NDArray[np.float32]) -> str:
    """`numbers`: [256]."""
    return base64.b64encode(numbers.astype(_TYPE).tobytes()).decode()


def voice_numbers(text: str) -> npt.NDArray[np.float32]:
    """Raises ValueError: no voice print."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != VOICE_NUMBERS * _TYPE.itemsize:
        raise ValueError("this is no voice print; send one that POST /v1/voice gave")
    numbers = np.frombuffer(raw, _TYPE).astype(np.float32)
    if not np.linalg.norm(numbers) <= _LONGEST:  # nor is one that is no number
        raise ValueError("this is no voice print: its numbers are too large")
    return numbers


def _checked(text: str) -> str:
    voice_numbers(text)
    return text


FORGOTTEN_VOICE: Final = base64.b64encode(bytes(VOICE_NUMBERS * _TYPE.itemsize)).decode()
"""Nobody's; keeps the place of one that must not be kept."""

VoicePrint = Annotated[str, Field(max_length=len(FORGOTTEN_VOICE)), AfterValidator(_checked)]
