"""The real models behind Deepgram's protocol, on the clock of the audio."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from starlette.datastructures import QueryParams

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.files import read_samples
from streamer.dialects.common.settings import Offer
from streamer.dialects.deepgram.settings import read_settings
from streamer.dialects.deepgram.view import DeepgramView
from streamer.hosting.options import ServerOptions
from streamer.runtime.tracing import NullSpans
from streamer.session.report import Report
from streamer.transcript.wer import normalize

if TYPE_CHECKING:
    from streamer.recognition.engine import Engine

pytestmark = pytest.mark.slow

CHUNK = SAMPLE_RATE // 10


def heard(engine: Engine, samples: Floats, query: str) -> list[tuple[float, dict[str, Any]]]:
    """Every message, and how much had been said when it came, in seconds."""
    settings = read_settings(
        QueryParams(f"encoding=linear16&sample_rate=16000&{query}"),
        Offer.of(engine, ServerOptions()),
    )
    view = DeepgramView(settings, "request", engine.models)
    recognizer = engine.recognizer(settings.wanted.session, NullSpans())
    told: list[tuple[float, dict[str, Any]]] = []
    for at in range(0, len(samples), CHUNK):
        recognizer.accept(samples[at : at + CHUNK])
        while recognizer.due():
            for event in recognizer.step():
                said_s = recognizer.received_samples / SAMPLE_RATE
                told += [(said_s, message) for message in view.on_event(Report(event, 0.0, 0))]
    recognizer.close()
    return told


@pytest.mark.parametrize("endpointing", ["5000", "2000", "300", "true", "false"])
@pytest.mark.parametrize("clip", ["1083_IWL_NEU_XX.opus", "7021-85628-0010.opus"])
def test_an_utterance_ends_a_second_behind_its_last_word_whatever_endpointing_is(
    engine: Engine, bundled_speech: Path, clip: str, endpointing: str
) -> None:
    speech = read_samples(bundled_speech / clip)
    samples = np.concatenate([speech, np.zeros(8 * SAMPLE_RATE, np.float32)])
    query = (
        f"utterance_end_ms=1000&interim_results=true&endpointing={endpointing}&model=streamer-draft"
    )
    told = heard(engine, samples, query)
    *_, (at_s, end) = [(at, m) for at, m in told if m["type"] == "UtteranceEnd"]
    results = [(at, m) for at, m in told if m["type"] == "Results"]
    words = [
        word
        for _, message in results
        if message["is_final"]
        for word in message["channel"]["alternatives"][0]["words"]
    ]
    assert end["last_word_end"] == words[-1]["end"]
    assert 1.0 <= at_s - end["last_word_end"] <= 1.5
    # All words were final when it came.
    assert all(at <= at_s for at, m in results if m["channel"]["alternatives"][0]["words"])
    spoken = [at for at, message in results if message["speech_final"]]
    if endpointing.isdigit():
        assert spoken[-1] - end["last_word_end"] == pytest.approx(
            max(0.6, int(endpointing) / 1_000), abs=0.6
        )
    assert bool(spoken) is (endpointing != "false")


def words_heard(engine: Engine, samples: Floats, query: str) -> list[str]:
    tail = np.zeros(2 * SAMPLE_RATE, np.float32)
    told = heard(engine, np.concatenate([samples, tail]), query)
    finals = [message for _, message in told if message.get("is_final")]
    return normalize(" ".join(m["channel"]["alternatives"][0]["transcript"] for m in finals))


def test_a_negative_weight_never_makes_a_word_likelier(engine: Engine, shared_data: Path) -> None:
    clip = shared_data / "asr/librispeech_dev_clean_mp3/1919/1919-142785-0018.mp3"
    samples = read_samples(clip)
    without = words_heard(engine, samples, "")
    assert "hardier" in words_heard(engine, samples, "keywords=hardier")
    for weight, word in itertools.product(("-10", "-0.5", "0"), ("hardier", "harder")):
        weighted = words_heard(engine, samples, f"keywords={word}:{weight}")
        assert weighted.count(word) <= without.count(word)
