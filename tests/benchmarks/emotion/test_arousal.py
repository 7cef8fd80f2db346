from __future__ import annotations

import numpy as np
import pytest

from benchmarks.emotion.arousal import AROUSED, Said, arousals, in_order, judge, session
from streamer.audio.files import read_samples
from streamer.client.bundled import bundled_speech
from streamer.recognition.engine import Engine, EngineOptions
from streamer.transcript.ledger import Arousal


def said(label: str, value: float, confidence: float = 1.0) -> Said:
    """A segment of sixteen words whose loudness and pitch rise with its arousal, and whose rate
    falls."""
    words = [value + i / 100 for i in range(16)]
    cues = {"loudness": words, "pitch": words, "rate": [-word for word in words], "range": [0.0]}
    return Said(label, Arousal(value, confidence), cues)


def test_pairs_are_in_order_or_not() -> None:
    told = [("angry", 0.5), ("angry", -0.5), ("neutral", 0.0), ("sad", -1.0), ("disgust", 9.0)]
    assert in_order(told, ("angry",)) == 3 / 4
    assert in_order([("happy", 0.0), ("sad", 0.0)], AROUSED) == 0.5


def test_cues_are_judged_against_what_was_said_before() -> None:
    told = [*arousals([said("neutral", 0.0), said("angry", 1.0), said("sad", -1.0)], ("pitch",))]
    assert told == [("angry", 1.0), ("sad", -1.0)]


def test_a_verdict() -> None:
    speaker = [said("neutral", 0.0), said("angry", 0.9), said("sad", -0.9), said("happy", 0.8)]
    speaker.append(said("fearful", -0.5, 0.1))
    found = judge([speaker, speaker])
    assert (found["speakers"], found["segments"]) == (2, 10)
    assert found["in_order"] == round(5 / 6, 3)
    assert found["in_order_surer_half"] == 1
    assert found["in_order_by_emotion"] == {"angry": 1, "happy": 1, "fearful": 0.5}
    assert found["in_order_by_cues"]["loudness + pitch"] > found["in_order_by_cues"]["rate"]


@pytest.mark.slow
def test_a_session_is_heard_as_the_program_hears_it() -> None:
    clip = next(clip for clip in bundled_speech() if clip.label is not None)
    samples = read_samples(clip.path)
    engine = Engine.load(EngineOptions(threads=1, llm=False, emotion_model=None))
    quiet = [("neutral", samples)] * 4
    heard = session(engine, [*quiet, ("angry", (4 * samples).astype(np.float32))])
    engine.close()
    assert [one.label for one in heard] == ["neutral"] * 4 + ["angry"]
    assert heard[0].arousal is None
    last = heard[-1].arousal
    assert last is not None
    assert last.value > 0.3  # as loud as nothing before, and as high as all of it
    assert len(heard[-1].cues["loudness"]) == len(heard[-1].cues["rate"]) >= 3
