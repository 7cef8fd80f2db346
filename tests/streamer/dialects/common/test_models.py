from __future__ import annotations

import pytest

from streamer.dialects.common.models import decoder_for, name_of, offered_models
from streamer.dialects.common.settings import Offer, SettingError

WITH_LLM, WITHOUT = Offer("fused"), Offer("draft")


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("streamer", "streamer-fused"),
        ("streamer-draft", "streamer-draft"),
        ("streamer-fused", "streamer-fused"),
        ("whisper-1", "streamer-fused"),
        ("nova-3-medical", "streamer-fused"),
        ("Systran/faster-whisper-large-v3", "streamer-fused"),
        ("Systran/faster-whisper-tiny.en", "streamer-draft"),
        ("someone/Whisper-TINY", "streamer-draft"),
        ("what nobody ever heard of", "streamer-fused"),
    ],
)
def test_any_name_is_answered(asked: str, answered: str) -> None:
    assert name_of(decoder_for("model", asked, WITH_LLM)) == answered


def test_what_a_server_lacks_nobody_gets() -> None:
    assert decoder_for("model", "whisper-1", WITHOUT) == "draft"
    assert offered_models(WITHOUT) == ["streamer", "streamer-draft"]
    assert offered_models(WITH_LLM) == ["streamer", "streamer-draft", "streamer-fused"]
    with pytest.raises(SettingError, match="without an LLM"):
        decoder_for("model", "streamer-fused", WITHOUT)


@pytest.mark.parametrize("name", ["streamer-best", "streamer_draft", "Streamer", "x" * 101])
def test_misspelt_and_endless_names_are_refused(name: str) -> None:
    with pytest.raises(SettingError, match="use one of streamer, streamer-draft, streamer-fused"):
        decoder_for("model", name, WITH_LLM)
