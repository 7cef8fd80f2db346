from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamer.models.errors import ModelCorruptError, ModelLanguageError
from streamer.models.store.catalog import WHISPER_BASE, WHISPER_TINY_EN
from streamer.models.store.zoo import Zoo
from streamer.models.whisper.contract import Task
from streamer.models.whisper.tokens import WhisperTokens


def test_text_is_spelled_as_whisper_says_it(tokens: WhisperTokens) -> None:
    """Although the file lacks the merge that " the" begins with."""
    assert tokens.spell("the tree, the two", "en") == [264, 4230, 11, 264, 732]


@pytest.mark.parametrize("text", ["It's 7 o'clock.", "für größere Übungen", "l’été, ça va ?"])
def test_text_comes_back(text: str, tokens: WhisperTokens) -> None:
    spelled = tokens.spell(f"  {text.replace(' ', '  ')} ", "fr")
    assert tokens.read(spelled) == text
    assert tokens.read([*spelled, tokens.end]) == text


def test_no_space_stands_where_a_language_has_none(tokens: WhisperTokens) -> None:
    assert tokens.read(tokens.spell("今日は", "ja")) == "今日は"
    assert tokens.spell("今日は", "ja") != tokens.spell("今日は", "en")
    assert tokens.spell("", "en") == []


def test_a_text_that_goes_on_is_spelled_as_the_whole(tokens: WhisperTokens) -> None:
    whole = tokens.spell("Hello, my friends.", "en")
    for first, then in (("Hello", ", my friends."), ("Hello, my", "friends."), ("", "Hello")):
        parts = tokens.spell(first, "en") + tokens.spell(then, "en")
        assert parts == whole[: len(parts)]


def test_words_begin_at_spaces(tokens: WhisperTokens) -> None:
    spelled = tokens.spell("glittering decanters don't", "en")
    starts = tokens.word_starts(spelled, "en")
    ends = [*starts[1:], len(spelled)]
    words = [tokens.read(spelled[at:end]) for at, end in zip(starts, ends, strict=True)]
    assert words == ["glittering", "decanters", "don't"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("復興努力に対する、批判。", ["復", "興", "努", "力", "に", "対", "する、", "批", "判。"]),
        ("用 iPhone 15 拍的", ["用", "iPhone", "15", "拍", "的"]),
        ("、今日", None),
        ("👍🏽です", None),
    ],
)
def test_where_there_are_no_spaces_words_are_a_few_characters(
    text: str, words: list[str] | None, tokens: WhisperTokens
) -> None:
    spelled = tokens.spell(text, "ja")
    starts = tokens.word_starts(spelled, "ja")
    ends = [*starts[1:], len(spelled)]
    read = [tokens.read(spelled[at:end]) for at, end in zip(starts, ends, strict=True)]
    assert "\N{REPLACEMENT CHARACTER}" not in "".join(read)
    assert "".join(read) == text.replace(" ", "")
    assert all(len(word) <= 6 for word in read)
    assert not any(word[0] in "、。" for word in read[1:])
    assert words is None or read == words


def test_a_word_of_another_alphabet_is_not_cut_up(tokens: WhisperTokens) -> None:
    spelled = tokens.spell("用iPhone拍", "zh")
    starts = tokens.word_starts(spelled, "zh")
    ends = [*starts[1:], len(spelled)]
    assert [tokens.read(spelled[at:end]) for at, end in zip(starts, ends, strict=True)] == [
        "用",
        "iPhone",
        "拍",
    ]
    assert tokens.word_starts([], "zh") == []


def test_the_prompt_asks_for_language_and_task(tokens: WhisperTokens) -> None:
    assert tokens.prompt("de", "transcribe", multilingual=True) == [50258, 50261, 50359, 50363]
    assert tokens.prompt("de", "translate", multilingual=True) == [50258, 50261, 50358, 50363]
    with pytest.raises(ModelLanguageError, match="no language 'tlh', but af, am, ar"):
        tokens.prompt("tlh", "transcribe", multilingual=True)
    with pytest.raises(ModelLanguageError, match="no language 'translate'"):
        tokens.prompt("translate", "transcribe", multilingual=True)


def test_english_alone_asks_for_nothing() -> None:
    tokens = WhisperTokens(Zoo().path(WHISPER_TINY_EN.name, "tokenizer.json"))
    assert tokens.prompt("en", "transcribe", multilingual=False) == [50257, 50362]
    asked: list[tuple[str, Task]] = [("de", "transcribe"), ("en", "translate")]
    for language, task in asked:
        with pytest.raises(ModelLanguageError, match=r"English alone.*whisper-base"):
            tokens.prompt(language, task, multilingual=False)


def test_merges_are_read_in_either_form(tokens: WhisperTokens, tmp_path: Path) -> None:
    description = json.loads(Zoo().path(WHISPER_BASE.name, "tokenizer.json").read_text())
    merges = description["model"]["merges"]
    description["model"]["merges"] = [merge.split() for merge in merges]
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(description))
    text = "the two of them, then"
    assert WhisperTokens(file).spell(text, "en") == tokens.spell(text, "en")


@pytest.mark.parametrize("content", ["", "{}", '{"model": {"vocab": {}, "merges": []}}', "[1]"])
def test_another_file_is_refused_in_one_line(content: str, tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text(content)
    with pytest.raises(ModelCorruptError, match="is no tokenizer of Whisper's"):
        WhisperTokens(file)
