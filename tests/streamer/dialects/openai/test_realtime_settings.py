from __future__ import annotations

from typing import Any

import pytest

from streamer.dialects.common.settings import Offer, SettingError
from streamer.dialects.openai.realtime_settings import (
    BETA_WARNING,
    RealtimeSettings,
    updated,
    updated_beta,
)

OFFER = Offer("fused", ("de", "en"))


def after(settings: RealtimeSettings | None = None, **given: Any) -> RealtimeSettings:
    session = {"type": "transcription", "audio": {"input": given}}
    return updated(settings or RealtimeSettings(), session, OFFER)


@pytest.mark.parametrize(
    ("transcription", "warned_of"),
    [
        ({"language": ""}, ["language"]),
        ({"language": None}, []),
        ({"keywords": ["", "Ada"]}, ["keywords"]),
        ({"language": "de", "keywords": ["Ada"]}, []),
    ],
)
def test_nothing_is_dropped_without_a_warning(
    transcription: dict[str, Any], warned_of: list[str]
) -> None:
    warnings = after(transcription=transcription).warnings
    where = "session.audio.input.transcription."
    assert [w.partition(":")[0].removeprefix(where) for w in warnings] == warned_of


def test_what_cannot_be_included_is_told() -> None:
    session = {"include": ["item.input_audio_transcription.logprobs"]}
    assert updated(RealtimeSettings(), session, OFFER).warnings


def test_the_model_that_answers_is_told() -> None:
    told = after(transcription={"model": "whisper-tiny"}).as_session("sess", OFFER)
    transcription = told["audio"]["input"]["transcription"]
    assert (transcription["model"], transcription["answered_by"]) == (
        "whisper-tiny",
        "streamer-draft",
    )


def test_the_shape_before_ga_is_deprecated() -> None:
    settings = updated_beta(RealtimeSettings(), {"turn_detection": None}, OFFER)
    assert settings.as_beta_session("sess", OFFER)["warnings"] == [BETA_WARNING]
    assert settings.as_session("sess", OFFER)["warnings"] == []


ASKED = {"include": ["emotion", "item.input_audio_transcription.logprobs"]}


@pytest.mark.parametrize("update", [updated, updated_beta])
def test_emotion_is_for_those_who_ask(update: object) -> None:
    assert callable(update)
    offer = Offer("draft")
    asked = update(RealtimeSettings(), ASKED, offer)
    assert asked.session_options(offer).emotion
    assert asked.as_session("s", offer)["include"] == ["emotion"]
    assert asked.as_beta_session("s", offer)["include"] == ["emotion"]
    assert update(asked, {}, offer).emotion  # what is left out stays
    assert not update(asked, {"include": []}, offer).emotion
    assert not RealtimeSettings().session_options(offer).emotion


def test_a_server_without_emotions_says_so() -> None:
    with pytest.raises(SettingError, match="this server tells no emotions") as refused:
        updated(RealtimeSettings(), ASKED, Offer("draft", emotion=False))
    assert refused.value.setting == "session.include"
