"""A tiny random Voxtral Realtime on real speech."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.models.moonshine.tokenizer import FRAME_SAMPLES
from streamer.models.transformers_speech.contract import Continuation, Prompt, WindowAudio
from streamer.models.transformers_speech.loading import load_speech_model
from streamer.models.transformers_speech.voxtral_realtime import (
    FLUSH_TOKENS,
    RealtimeSettings,
    RealtimeSpeech,
)
from tests.models.tiny_speech import write_voxtral_realtime
from tests.speech_models import Clip

TOKEN_SAMPLES = 1_280
N_DELAY_TOKENS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("voxtral-realtime")
    write_voxtral_realtime(made, n_delay_tokens=N_DELAY_TOKENS)
    return made


@pytest.fixture
def model(folder: Path) -> RealtimeSpeech:
    loaded = load_speech_model(folder)
    assert isinstance(loaded, RealtimeSpeech)
    return loaded


@pytest.fixture(scope="module")
def sound(clips: list[Clip]) -> Floats:
    return clips[-1].samples[: 50 * TOKEN_SAMPLES]


def encoded(model: RealtimeSpeech, sound: Floats) -> WindowAudio:
    return model.encode(sound, len(sound))


def draft(
    model: RealtimeSpeech, audio: WindowAudio, given: list[int], guess: list[int]
) -> Continuation:
    return model.draft(audio, Prompt(), given, guess, 60)


def ids(found: Continuation) -> list[int]:
    return [token.id for token in found.tokens]


def test_what_was_heard_stays_as_it_was(model: RealtimeSpeech, sound: Floats) -> None:
    short = draft(model, encoded(model, sound[: 30 * TOKEN_SAMPLES]), [], [])
    long = draft(model, encoded(model, sound), [], [])
    # All but what rests on the silence behind the shorter one.
    settled = (30 - N_DELAY_TOKENS) * TOKEN_SAMPLES // FRAME_SAMPLES
    beginning = [token for token in short.tokens if token.frame < settled]
    assert beginning
    assert [token.id for token in long.tokens[: len(beginning)]] == [t.id for t in beginning]


def test_a_known_stream_goes_through_at_once(model: RealtimeSpeech, sound: Floats) -> None:
    passes: list[int] = []
    language_model: Any = model._loaded.model.model.language_model
    handle = language_model.register_forward_hook(lambda *_: passes.append(1))
    audio = encoded(model, sound)
    plain = ids(draft(model, audio, [], []))
    assert len(passes) > len(sound) // TOKEN_SAMPLES
    for given, guess in [([], plain), (plain[:3], plain[3:])]:
        passes.clear()
        assert [*given, *ids(draft(model, audio, given, guess))] == plain
        assert len(passes) <= 2
    passes.clear()
    longer = encoded(model, np.append(sound, np.zeros(4 * TOKEN_SAMPLES, np.float32)))
    draft(model, longer, [], plain)
    assert len(passes) <= 4 + N_DELAY_TOKENS + FLUSH_TOKENS + 2
    handle.remove()


def test_given_words_have_their_place_in_the_stream(model: RealtimeSpeech, sound: Floats) -> None:
    audio = encoded(model, sound)
    plain = draft(model, audio, [], [])
    assert ids(draft(model, audio, ids(plain)[:4], [])) == ids(plain)[4:]
    # Words that were never heard are given nevertheless, and take their time.
    strange = model.tokenizer.encode("bus bus bus")
    after = draft(model, audio, strange, [])
    assert after.ended
    assert after.tokens[0].frame > plain.tokens[0].frame


def test_times_rise_within_the_sound(model: RealtimeSpeech, sound: Floats) -> None:
    frames = [token.frame for token in draft(model, encoded(model, sound), [], []).tokens]
    assert frames == sorted(frames)
    assert frames[0] >= 0
    assert frames[-1] <= len(sound) // FRAME_SAMPLES


def test_how_the_stream_begins_stands_with_the_tokenizer(folder: Path, tmp_path: Path) -> None:
    assert RealtimeSettings.read(folder, 6) == RealtimeSettings(4, N_DELAY_TOKENS)
    assert RealtimeSettings.read(tmp_path, 5) == RealtimeSettings(32, 5)


def test_a_stream_of_other_sound_changes_nothing(
    model: RealtimeSpeech, folder: Path, sound: Floats
) -> None:
    wrong = ids(draft(model, encoded(model, sound[: 40 * TOKEN_SAMPLES]), [], []))
    other = encoded(model, sound[10 * TOKEN_SAMPLES :])
    fresh = load_speech_model(folder)
    expected = ids(fresh.draft(other, Prompt(), [], [], 60))
    assert ids(draft(model, other, [], wrong)) == expected != wrong
