"""The demo: programme, playing it to a real server, and its report."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

from streamer.cli.demo_play import (
    DemoResult,
    PlacedClip,
    Programme,
    caption_files,
    emotion_in,
    heard_in,
    play,
    programme,
)
from streamer.cli.demo_report import print_report, total_errors
from streamer.client.bundled import SpeechClip
from streamer.client.transcript import ConnectionLostError, TranscriptSegment
from streamer.protocol.messages import Percentiles
from streamer.protocol.words import WireEmotion, WireWord
from streamer.runtime.tracing import StagePercentiles
from tests.fakes import tone
from tests.serving import ServerThread


def clip(path: Path, text: str, label: str | None) -> SpeechClip:
    return SpeechClip(path, text, "someone", label, "a test", 0.5, "CC0")


@pytest.fixture
def show(tmp_path: Path) -> Programme:
    """Two clips, 0.5 s each, at 0.5 s and at 2 s."""
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, tone(0.5), 16_000, subtype="FLOAT")
    return programme(
        [clip(tmp_path / "a.wav", "w8000", "happy"), clip(tmp_path / "b.wav", "w32000 more", None)]
    )


def segment(
    segment_id: int, start_ms: float, emotion: str | None, *texts: str
) -> TranscriptSegment:
    words = tuple(
        WireWord(
            id=segment_id * 10 + i,
            text=text,
            start_ms=start_ms + 100 * i,
            end_ms=start_ms + 100 * i + 100,
            confidence=0.9,
            state="final",
        )
        for i, text in enumerate(texts)
    )
    feeling = WireEmotion(label=emotion, probs={emotion: 1.0}) if emotion else None
    return TranscriptSegment(
        segment_id, start_ms, words[-1].end_ms, " ".join(texts), words, feeling
    )


def test_clips_are_placed_with_pauses_between(show: Programme) -> None:
    assert [(placed.start_ms, placed.end_ms) for placed in show.clips] == [
        (500, 1000),
        (2000, 2500),
    ]
    assert len(show.samples) == 2.5 * 16_000
    assert np.abs(show.samples[8_000:16_000]).max() > 0.2
    assert np.abs(show.samples[16_000:32_000]).max() == 0


def test_the_clip_being_played(show: Programme) -> None:
    times = (0, 600, 1_999, 2_000, 9_000)
    assert [show.clips.index(show.at(time)) for time in times] == [0, 0, 0, 1, 1]


def test_words_belong_to_the_clip_they_fall_into(show: Programme) -> None:
    heard = (segment(0, 500, "happy", "one", "two"), segment(1, 2_300, "sad", "three"))
    assert [heard_in(placed, heard) for placed in show.clips] == ["one two", "three"]
    assert [emotion_in(placed, heard) for placed in show.clips] == ["happy", "sad"]


def test_an_emotion_that_nobody_told_is_unknown(show: Programme) -> None:
    placed: PlacedClip = show.clips[0]
    assert emotion_in(placed, ()) == "unknown"
    assert emotion_in(placed, (segment(0, 5_000, "happy", "late"),)) == "unknown"
    assert emotion_in(placed, (segment(0, 600, None, "flat"),)) == "unknown"


@pytest.mark.slow
def test_playing_to_a_server(show: Programme, tmp_path: Path) -> None:
    output = io.StringIO()
    console = Console(file=output, width=110)
    with ServerThread() as server:
        result = asyncio.run(play(server.url, show, console))
    assert [segment.text for segment in result.segments] == ["w8000", "w32000"]
    assert "happy  w8000" in output.getvalue()
    assert result.lag_ms is not None
    assert {"encode", "decode"} <= set(result.stages_ms)
    assert result.lost_samples == 0
    assert total_errors(show, result).rate == pytest.approx(1 / 3)

    print_report(console, show, result)
    report = output.getvalue()
    for expected in ("of 3 words 0 wrong, 1 missing, 0 too many", "33.3%", "1 of 1", "lag of"):
        assert expected in report

    files = caption_files(tmp_path / "captions", result)
    assert {file.suffix for file in files} == {".srt", ".vtt", ".jsonl", ".txt"}
    assert "00:00:00,500 --> 00:00:01,500\n(happy) w8000" in files[0].read_text()
    assert "<c.happy>w8000</c>" in files[1].read_text()


def test_a_silent_server_gives_a_report_too(show: Programme) -> None:
    output = io.StringIO()
    console = Console(file=output, width=110)
    nothing = DemoResult((), {"encode": Percentiles(p50=1, p95=2, p99=3)}, None, 0)
    print_report(console, show, nothing)
    flat = DemoResult((segment(0, 500, None, "one"),), {}, StagePercentiles(1, 2, 3), 0)
    print_report(console, show, flat)
    assert output.getvalue().count("unknown") == 4


def test_nobody_there(show: Programme) -> None:
    with pytest.raises(ConnectionLostError, match="cannot connect to"):
        asyncio.run(play("ws://127.0.0.1:9/v1/stream", show, Console(file=io.StringIO())))


def test_a_server_that_breaks_off_ends_the_demo(show: Programme) -> None:
    with ServerThread() as server:
        server.engine.fail_at_step = 1
        with pytest.raises(Exception, match="internal"):
            asyncio.run(play(server.url, show, Console(file=io.StringIO())))
