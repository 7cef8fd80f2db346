"""Bundled speech from a loudspeaker, mixed into a microphone by code."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.audio.clock import samples_from_ms
from streamer.audio.files import read_samples
from streamer.client.bundled import bundled_speech
from streamer.models.silero import FRAME_SAMPLES
from streamer.recognition.channels.echo import EchoWatch
from streamer.recognition.channels.recognizer import ChannelsRecognizer
from streamer.recognition.contract import BEGINNING, SessionOptions
from streamer.recognition.engine import Engine
from streamer.recognition.transcribe import transcribe
from streamer.runtime.tracing import NullSpans
from streamer.transcript.wer import word_errors

LOUD = 1e-5
"""Power of a frame that is surely speech."""


@pytest.fixture(scope="module")
def spoken() -> list[tuple[Floats, str]]:
    clips = [clip for clip in bundled_speech() if clip.label is None]
    return [(read_samples(clip.path), clip.text) for clip in clips]


def echo_of(far: Floats, db: float, delay_ms: float) -> Floats:
    """And a microphone's own noise."""
    late = np.pad(far, (samples_from_ms(delay_ms), 0))[: len(far)]
    noise = np.random.default_rng(1).standard_normal(len(far)) * 10 ** (-65 / 20)
    return (late * 10 ** (db / 20) + noise).astype(np.float32)


def padded(samples: Floats, n: int, begin: int = 0) -> Floats:
    return np.pad(samples, (begin, max(0, n - begin)))[:n]


def hushed(near: Floats, far: Floats, watch: EchoWatch | None = None) -> np.ndarray:
    """Which frames are taken for echo; the sound comes in chunks of odd sizes."""
    watch = watch or EchoWatch()
    sides = np.stack([near, far], axis=1)
    found = [
        one for at in range(0, len(sides), 1_601) for one in watch.echoes(sides[at : at + 1_601])
    ]
    frames = np.zeros(len(near) // FRAME_SAMPLES, bool)
    frames[np.asarray(found, int) // FRAME_SAMPLES] = True
    return frames


def loud(samples: Floats, power: float = LOUD) -> np.ndarray:
    whole = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES]
    return np.asarray(np.square(whole).reshape(-1, FRAME_SAMPLES).mean(axis=1) > power)


@pytest.mark.parametrize(("db", "delay_ms"), [(-12, 40), (-12, 200), (-20, 40), (-20, 200)])
def test_what_comes_back_is_echo_and_what_is_said_is_not(
    spoken: list[tuple[Floats, str]], db: float, delay_ms: float
) -> None:
    for far_clip, near_clip in ((1, 0), (2, 3), (4, 1)):
        far = spoken[far_clip][0]
        echo = echo_of(far, db, delay_ms)
        returning = loud(echo, 10 * LOUD * 10 ** (db / 10))  # softer speech drowns in the noise
        assert hushed(echo, far)[returning].mean() > 0.65
        near = padded(spoken[near_clip][0], len(far), 8_000)
        assert hushed(near + echo, far)[loud(near)].mean() < 0.02


def test_other_speech_is_no_echo(spoken: list[tuple[Floats, str]]) -> None:
    """Not even as soft as one, and beside nothing else."""
    far = spoken[1][0]
    near = padded(spoken[0][0], len(far))
    for gain in (1.0, 0.1):
        assert not hushed(near * np.float32(gain), far).any()
    assert not hushed(far, np.zeros_like(far)).any()


def test_frames_stay_in_step_behind_a_hole(spoken: list[tuple[Floats, str]]) -> None:
    far = spoken[1][0]
    echo = echo_of(far, -12, 40)
    watch = EchoWatch()
    watch.skip(700)
    sides = np.stack([echo, far], axis=1)
    found = watch.echoes(sides)
    assert found
    assert all(one % FRAME_SAMPLES == 0 and one >= 700 for one in found)


@pytest.mark.slow
def test_the_far_side_is_captioned_once(engine: Engine, spoken: list[tuple[Floats, str]]) -> None:
    (near_clip, said), (far_clip, _) = spoken[1], spoken[4]
    n = len(near_clip) + 40_000
    far, near = padded(far_clip, n), padded(near_clip, n, 24_000)
    echo = echo_of(far, -12, 200)

    def heard(microphone: Floats, *, keep_echo: bool) -> str:
        options = SessionOptions(decoder="draft", emotion=False)
        channels = [engine.recognizer(options, NullSpans()) for _ in range(2)]
        recognizer = ChannelsRecognizer(channels, [BEGINNING] * 2, keep_echo=keep_echo)
        sides = np.stack([microphone, far], axis=1)
        result = transcribe((sides[at : at + 1_600] for at in range(0, n, 1_600)), recognizer)
        recognizer.close()
        return " ".join(one.text for one in result.segments if one.channel == 0)

    assert len(heard(echo, keep_echo=True).split()) > 10
    assert heard(echo, keep_echo=False) == ""
    kept, removed = (word_errors(said, heard(near + echo, keep_echo=one)) for one in (True, False))
    assert removed.deletions <= kept.deletions
    assert removed.errors <= kept.errors
