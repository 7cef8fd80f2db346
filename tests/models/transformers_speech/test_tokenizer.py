from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from streamer.models.moonshine.tokenizer import Tokenizer
from streamer.models.transformers_speech.tokenizer import spoken_tokenizer, textless
from tests.models.tiny_speech import (
    write_moonshine,
    write_voxtral_realtime,
    write_whisper,
)


@pytest.fixture(
    params=[write_whisper, write_moonshine, write_voxtral_realtime],
    ids=["bytes", "sentencepiece", "mistral"],
)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, Tokenizer]:
    request.param(tmp_path)
    library = AutoTokenizer.from_pretrained(tmp_path, mistral_format=False)
    return library, spoken_tokenizer(library)


def test_text_is_the_library_s(pair: tuple[Any, Tokenizer]) -> None:
    library, ours = pair
    assert len(ours) == len(library)
    for text in (" bal bam", " Bal, kon 3.", " x-y"):
        tokens = library.encode(text, add_special_tokens=False)
        assert ours.decode(tokens) == library.decode(tokens).strip() == text.strip()
        assert sum(map(ours.starts_word, tokens)) == len(text.split())


def test_words_begin_with_their_space(pair: tuple[Any, Tokenizer]) -> None:
    library, ours = pair
    word = next(token for token in range(len(ours)) if ours.decode([token]) == "kon")
    assert ours.decode([word, word]) == "kon kon"
    assert ours.is_spoken(word)
    assert library.decode([word]).strip() == "kon"


def test_control_tokens_stand_for_nothing(pair: tuple[Any, Tokenizer]) -> None:
    library, ours = pair
    closed = textless(ours, len(ours) + 5)
    assert closed[-5:].all()
    for token in library.all_special_ids:
        assert ours.decode([token]) == ""
        assert closed[token]
    assert not closed[ours.encode("kon")[0]]
