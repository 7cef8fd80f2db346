"""What HTTP answers and handshakes say beside their body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from streamer.dialects.common.models import name_of
from streamer.recognition.contract import Decoder

MODEL_HEADER: Final = "streamer-model"
WARNING_HEADER: Final = "streamer-warning"
EXPOSED_HEADERS: Final = (MODEL_HEADER, WARNING_HEADER, "dg-request-id", "dg-error")
"""What pages from elsewhere may read."""
_MAX_WARNING_CHARS: Final = 1_000


def answer_headers(decoder: Decoder, warnings: Sequence[str] = ()) -> dict[str, str]:
    """Which model answers, whatever it was asked for as; and what was asked for in vain."""
    headers = {MODEL_HEADER: name_of(decoder)}
    if warnings:
        text = "; ".join(warnings).encode("ascii", "replace").decode()
        headers[WARNING_HEADER] = text[:_MAX_WARNING_CHARS]
    return headers
