"""The page cuts subtitles as the server does."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, replace
from itertools import cycle
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings

from streamer.transcript.cues import CueTrack
from streamer.transcript.ledger import Emotion, Segment
from tests.streamer.transcript.cue_words import spoken

ROOT = Path(__file__).parents[3]
CUES = ROOT / "clients/web/captions/cues.js"
PROGRAM = f"""
import {{ cues }} from {json.dumps(CUES.as_uri())};
const texts = [];
for await (const text of process.stdin) texts.push(text);
console.log(JSON.stringify(JSON.parse(texts.join("")).map((talk) => cues(talk, true))));
"""
N_TALKS = 40


def caption(segment: Segment) -> dict[str, object]:
    words = [
        {"text": word.text, "start_ms": word.start_sample / 16, "end_ms": word.end_sample / 16}
        for word in segment.words
    ]
    emotion = None if segment.emotion is None else {"label": segment.emotion.label}
    return {"endMs": segment.end_sample / 16, "words": words, "emotion": emotion}


def talks() -> list[list[Segment]]:
    made: list[list[Segment]] = []

    @settings(
        max_examples=N_TALKS,
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(spoken())
    def collect(segments: list[Segment]) -> None:
        labels = cycle((None, "angry", "neutral", "disgust"))
        feelings = (None if label is None else Emotion(label, {}) for label in labels)
        made.append([replace(segment, emotion=next(feelings)) for segment in segments])

    collect()
    return made


def test_cues_are_those_of_the_server() -> None:
    said = talks()
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", PROGRAM],
        input=json.dumps([[caption(segment) for segment in segments] for segments in said]),
        capture_output=True,
        text=True,
        check=True,
    )
    for segments, page in zip(said, json.loads(done.stdout), strict=True):
        track = CueTrack(tagged=True)
        server = [cue for segment in segments for cue in track.add(segment)]
        assert [(cue["startMs"], cue["endMs"], texts(cue["lines"])) for cue in page] == [
            (cue.start_ms, cue.end_ms, texts(map(asdict, line) for line in cue.pieces))
            for cue in server
        ]


def texts(lines: Iterable[Iterable[dict[str, Any]]]) -> list[list[str]]:
    return [[piece["text"] for piece in line] for line in lines]
