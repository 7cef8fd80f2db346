"""Whisper's tokens: those that ask, those of text, and what is text again."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer

from streamer.models.errors import ModelCorruptError, ModelLanguageError
from streamer.models.whisper.contract import Task

_SPACE: Final = "Ġ"
"""How byte-level tokens write it."""
_UNSPACED: Final = frozenset({"ja", "lo", "my", "th", "yue", "zh"})
"""Languages that are written without spaces between words."""
_ATTACHED: Final = tuple(",.!?;:%)]}…、。，！？：；")
"""Marks that follow a word without a space."""
_INCOMPLETE: Final = "\N{REPLACEMENT CHARACTER}"
"""What decoding puts in the place of a character that lacks bytes."""
_NO_SPEECH: Final = ("<|nospeech|>", "<|nocaptions|>")
"""Names of the same: they have changed."""
_LANGUAGE: Final = re.compile(r"<\|([a-z]{2,3})\|>")


class WhisperTokens:
    """Byte-level byte-pair encoding (Sennrich et al., 2016; Radford et al., 2019)."""

    def __init__(self, path: Path) -> None:
        """Read a `tokenizer.json`.

        Raises:
            ModelCorruptError: it is not Whisper's.
        """
        try:
            self._tokenizer = _repaired(json.loads(path.read_text(encoding="utf-8")))
            self.end = self._id("<|endoftext|>")
            self.start = self._id("<|startoftranscript|>")
            self._no_times = self._id("<|notimestamps|>")
            named = (_LANGUAGE.fullmatch(name) for name in self._tokenizer.get_vocab())
            codes = sorted(match[1] for match in named if match)
            self.language_ids = {code: self._id(f"<|{code}|>") for code in codes}
            self.languages = frozenset(codes)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelCorruptError(f"{path} is no tokenizer of Whisper's") from error

    @property
    def no_speech(self) -> int:
        """The token whose probability, first of all, is that nobody speaks.

        Raises:
            ModelCorruptError: there is none.
        """
        for name in _NO_SPEECH:
            token = self._tokenizer.token_to_id(name)
            if token is not None:
                return int(token)
        raise ModelCorruptError(f"the tokenizer has none of {', '.join(_NO_SPEECH)}")

    def prompt(self, language: str, task: Task, *, multilingual: bool) -> list[int]:
        """What stands before the text.

        Raises:
            ModelLanguageError: the model does not know the language, or does not translate.
        """
        if not multilingual:
            if language != "en" or task != "transcribe":
                raise ModelLanguageError(
                    f"this listener knows English alone, not {task} {language}; "
                    "choose a multilingual one, as whisper-base"
                )
            return [self.start, self._no_times]
        if language not in self.languages:
            known = ", ".join(sorted(self.languages))
            raise ModelLanguageError(f"this listener knows no language {language!r}, but {known}")
        return [self.start, self._id(f"<|{language}|>"), self._id(f"<|{task}|>"), self._no_times]

    def spell(self, text: str, language: str) -> list[int]:
        """Tokens of text that others may precede: with a space before it, where the language has
        spaces and it does not begin with a mark of the word before."""
        words = " ".join(text.split())
        if words and language not in _UNSPACED and not words.startswith(_ATTACHED):
            words = f" {words}"
        tokens: list[int] = self._tokenizer.encode(words, add_special_tokens=False).ids
        return tokens

    def read(self, tokens: Sequence[int]) -> str:
        """The text of the tokens, without control tokens and without spaces around it."""
        text: str = self._tokenizer.decode(list(tokens))
        return text.strip()

    def word_starts(self, tokens: Sequence[int], language: str) -> list[int]:
        """Where words begin in the tokens of a text: at its first token, and at each space. Where
        the language has no spaces, at each token that begins with a whole character, but for marks
        and for letters of other alphabets that go on."""
        if language in _UNSPACED:
            return self._unspaced_starts(tokens)
        names = (self._tokenizer.id_to_token(token) or "" for token in tokens)
        return [i for i, name in enumerate(names) if i == 0 or name.startswith(_SPACE)]

    def _unspaced_starts(self, tokens: Sequence[int]) -> list[int]:
        starts = []
        text, piece = "", ""
        whole_until = 0
        for i in range(len(tokens)):
            piece = self._tokenizer.decode(list(tokens[whole_until : i + 1]))
            if piece.endswith(_INCOMPLETE):
                continue
            goes_on = _is_latin(text[-1:]) and _is_latin(piece[:1])
            attached = not piece.strip() or piece.startswith(_ATTACHED)
            if whole_until == 0 or not (goes_on or attached):
                starts.append(whole_until)
            text, whole_until = text + piece, i + 1
        return starts or [0][: len(tokens)]

    def _id(self, name: str) -> int:
        token = self._tokenizer.token_to_id(name)
        if token is None:
            raise KeyError(name)
        return int(token)


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _repaired(description: dict[str, Any]) -> Tokenizer:
    """Files that were converted long ago lack the first merge of all, a space and a "t": with
    them, " the" would not be the one token that Whisper says."""
    model = description["model"]
    vocabulary, merges = model["vocab"], model["merges"]
    made = {"".join(merge.split() if isinstance(merge, str) else merge) for merge in merges}
    lost = [token for token in vocabulary if len(token) == 2 and token not in made]
    first = [list(token) for token in sorted(lost, key=vocabulary.__getitem__)]
    # Both forms of a merge are known, but not in one file.
    whole = [merge.split() if isinstance(merge, str) else merge for merge in merges]
    model["merges"] = first + whole
    return Tokenizer.from_str(json.dumps(description))
