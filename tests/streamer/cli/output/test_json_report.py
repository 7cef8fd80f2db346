"""The JSON contract of `streamer transcribe --json`."""

from __future__ import annotations

import json

from streamer.cli.output.json_report import json_report
from streamer.recognition.transcribe import Hearing
from streamer.runtime.tracing import StagePercentiles
from streamer.transcript.events import SoundHeard
from streamer.transcript.ledger import Emotion, Segment, Word, WordState

HEARD = Hearing(40_000, {"encode": StagePercentiles(11.0, 12.345, 13.0)}, 0.12345, 7, "en")


def said(segment_id: int, *texts: str, emotion: Emotion | None = None) -> Segment:
    """A second each, words of half a second."""
    start = segment_id * 16_000
    words = tuple(
        Word(i, text, start + i * 8_000, start + i * 8_000 + 4_000, 0.987654, WordState.FINAL, 0)
        for i, text in enumerate(texts)
    )
    return Segment(segment_id, start, start + 16_000, words, emotion, final=True)


def line(*segments: Segment) -> str:
    with json_report("talk \u2603.wav") as report:
        for segment in segments:
            report.add(segment)
        return "".join(report.end(HEARD))


def test_the_contract() -> None:
    emotion = Emotion("happy", {"happy": 0.75, "sad": 0.25})
    text = line(said(0, "one", 'two "2"', emotion=emotion), said(1, "na\u00efve\n"))
    expected = {
        "file": "talk \u2603.wav",
        "duration_s": 2.5,
        "language": "en",
        "text": 'one two "2" na\u00efve\n',
        "words": [
            {"text": "one", "start_s": 0.0, "end_s": 0.25, "confidence": 0.9877},
            {"text": 'two "2"', "start_s": 0.5, "end_s": 0.75, "confidence": 0.9877},
            {"text": "na\u00efve\n", "start_s": 1.0, "end_s": 1.25, "confidence": 0.9877},
        ],
        "segments": [
            {
                "start_s": 0.0,
                "end_s": 1.0,
                "text": 'one two "2"',
                "emotion": {"label": "happy", "probs": {"happy": 0.75, "sad": 0.25}},
            },
            {
                "start_s": 1.0,
                "end_s": 2.0,
                "text": "na\u00efve\n",
            },
        ],
        "latency_ms": {"encode": {"p50": 11.0, "p95": 12.35, "p99": 13.0}},
        "compute_s": 0.123,
        "lost_samples": 7,
    }
    assert text == json.dumps(expected, ensure_ascii=False) + "\n"


def test_no_speech() -> None:
    found = json.loads(line())
    assert (found["text"], found["words"], found["segments"]) == ("", [], [])


def test_a_long_report_comes_in_pieces() -> None:
    segments = [said(i, "word " * 50) for i in range(1_000)]
    with json_report("x") as report:
        for segment in segments:
            report.add(segment)
        pieces = list(report.end(HEARD))
    assert max(map(len, pieces)) <= 1 << 16
    assert json.loads("".join(pieces))["text"] == " ".join(segment.text for segment in segments)


def test_sounds_that_are_no_speech_stand_beside_the_segments() -> None:
    with json_report("talk.wav") as report:
        report.add(said(0, "one"))
        for end in (None, 48_000):
            report.add_sound(SoundHeard("music", 16_000, end))
        report.add_sound(SoundHeard("music", 64_000))
        told = json.loads("".join(report.end(HEARD)))
    ended = {"sound": "music", "start_s": 1.0, "end_s": 3.0}
    assert told["sounds"] == [ended, {"sound": "music", "start_s": 4.0}]
    assert "sounds" not in json.loads(line(said(0, "one")))
