from __future__ import annotations

import pytest

from streamer.dialects.common.settings import Offer, SettingError
from streamer.dialects.openai.realtime_settings import RealtimeSettings, updated, updated_beta

ASKED = {"include": ["emotion", "item.input_audio_transcription.logprobs"]}


@pytest.mark.parametrize("update", [updated, updated_beta])
def test_emotion_is_for_those_who_ask(update: object) -> None:
    assert callable(update)
    offer = Offer("draft")
    asked = update(RealtimeSettings(), ASKED, offer)
    assert asked.session_options(offer).emotion
    assert asked.as_session("s")["include"] == asked.as_beta_session("s")["include"] == ["emotion"]
    assert update(asked, {}, offer).emotion  # what is left out stays
    assert not update(asked, {"include": []}, offer).emotion
    assert not RealtimeSettings().session_options(offer).emotion


def test_a_server_without_emotions_says_so() -> None:
    with pytest.raises(SettingError, match="this server tells no emotions") as refused:
        updated(RealtimeSettings(), ASKED, Offer("draft", emotion=False))
    assert refused.value.setting == "session.include"
