from __future__ import annotations

import pytest
from starlette.datastructures import QueryParams

from streamer.dialects.common.settings import Offer, SettingError
from streamer.dialects.deepgram.settings import read_settings
from streamer.transcript.written.options import WritingOptions

BASE = "encoding=linear16&sample_rate=16000"
OFFER = Offer("draft", frozenset({"en", "de"}))


def writing(more: str) -> WritingOptions:
    return read_settings(QueryParams(f"{BASE}&{more}"), OFFER).wanted.session.writing


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", WritingOptions()),
        ("smart_format=true", WritingOptions(numbers=True)),
        ("numerals=true", WritingOptions(numbers=True)),
        ("smart_format=false&punctuate=true", WritingOptions()),
        ("profanity_filter=true", WritingOptions(profanity_filter=True)),
        ("redact=true", WritingOptions(redact=frozenset({"numbers"}))),
        ("redact=false&language=de", WritingOptions()),
        ("redact=pci&redact=ssn", WritingOptions(redact=frozenset({"pci", "ssn"}))),
        ("redact=PCI,numbers", WritingOptions(redact=frozenset({"pci", "numbers"}))),
    ],
)
def test_how_words_are_written(query: str, expected: WritingOptions) -> None:
    assert writing(query) == expected


@pytest.mark.parametrize(
    ("query", "advice"),
    [
        ("redact=pii", "'pii' cannot be told; use one of numbers, aggressive_numbers, pci, ssn"),
        ("redact=pci&redact=phi", "'phi' cannot be told"),
        ("redact=pci&language=de", "in English alone"),
        ("redact=pci&language=multi", "in English alone"),
        ("numerals=yes", "'yes' is neither true nor false"),
    ],
)
def test_what_cannot_be_masked_is_refused(query: str, advice: str) -> None:
    with pytest.raises(SettingError, match=advice):
        writing(query)
