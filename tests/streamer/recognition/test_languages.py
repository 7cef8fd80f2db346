from __future__ import annotations

import pytest

from streamer.recognition.languages import (
    AUTO,
    NAMES,
    UnknownLanguageError,
    check_language,
    language_code,
)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("de", "de"),
        ("DE", "de"),
        ("de-AT", "de"),
        ("zh_Hans-CN", "zh"),
        ("German", "de"),
        (" auto ", AUTO),
        ("tlh", None),
        ("", None),
        ("de-", None),
        ("deutsch", None),
        ("de" + "-a" * 5_000, None),
    ],
)
def test_a_language_has_many_names(name: str, code: str | None) -> None:
    assert language_code(name) == code


def test_every_name_leads_to_its_code() -> None:
    assert all(language_code(name) == code for code, name in NAMES.items())
    assert all(language_code(code) == code for code in NAMES)


def test_what_is_not_to_be_had_is_refused_with_what_is() -> None:
    check_language("de", {"de", "en"})
    check_language(AUTO, {"de", "en"})
    check_language("en", {"en"})
    with pytest.raises(UnknownLanguageError, match="'fr' is not known; use auto, or one of de, en"):
        check_language("fr", {"en", "de"})
    for language in ("de", AUTO):
        with pytest.raises(UnknownLanguageError, match="this server hears English alone"):
            check_language(language, {"en"})
