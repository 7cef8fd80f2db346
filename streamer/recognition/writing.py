"""What writes the words of a session."""

from __future__ import annotations

from streamer.models.moonshine.tokenizer import Tokenizer
from streamer.recognition.contract import SessionOptions
from streamer.recognition.languages import ENGLISH, UnknownLanguageError
from streamer.transcript.written.casing import SentenceCase
from streamer.transcript.written.writer import Writer


def session_writer(options: SessionOptions, language: str, tokenizer: Tokenizer) -> Writer:
    """
    Args:
        language: what is spoken: a code, or `auto`; with that the writer is told when it is known.
        tokenizer: knows which words are mostly written in lower case.

    Raises:
        UnknownLanguageError: numbers would have to be masked that are not understood.
    """
    casing = SentenceCase(tokenizer.is_common, options.hot_words)
    translated = options.task == "translate"
    if options.writing.redact and language != ENGLISH and not translated:
        raise UnknownLanguageError(
            "numbers are redacted in English alone; ask for 'en', or leave 'redact' out"
        )
    written = ENGLISH if translated else language
    return Writer(options.writing, casing, language=written, fixed=translated)
