"""What a terminal shows of a session, and what is printed where there is none."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from streamer.cli.output.caption_view import CaptionView, emotion_bar, meter, shown
from streamer.client.transcript import Transcript
from streamer.protocol.messages import (
    DecoderEvent,
    EmotionEvent,
    ErrorCode,
    ErrorEvent,
    LossEvent,
    SegmentEvent,
    ServerEvent,
    WordsEvent,
)
from streamer.protocol.words import SoundEvent, WireEmotion, WireWord
from streamer.transcript.emotion_shown import EmotionShown

HAPPY = WireEmotion(label="happy", probs={"happy": 0.83, "sad": 0.17})


def word(word_id: int, text: str, state: str) -> WireWord:
    start = word_id * 500.0
    return WireWord.model_validate(
        {
            "id": word_id,
            "text": text,
            "start_ms": start,
            "end_ms": start + 400,
            "confidence": 0.9,
            "state": state,
        }
    )


SPOKEN = WordsEvent(
    segment_id=0, words=(word(0, "Hello", "committed"), word(1, "wor", "tentative")), lag_ms=120.4
)
FELT = EmotionEvent(emotion=HAPPY, start_ms=0, end_ms=2_000, lag_ms=130)
CLOSED = SegmentEvent(
    segment_id=0,
    start_ms=0,
    end_ms=900,
    text="Hello",
    words=(word(0, "Hello", "final"),),
    emotion=HAPPY,
    lag_ms=80,
)


class Screen:
    def __init__(self, *, terminal: bool, height: int = 25) -> None:
        self.output = io.StringIO()
        self.console = Console(
            file=self.output,
            force_terminal=terminal,
            force_interactive=terminal,
            width=100,
            height=height,
            color_system="truecolor" if terminal else None,
        )

    def of(self, *events: ServerEvent, emotion: EmotionShown = EmotionShown.FULL) -> str:
        transcript = Transcript()
        view = CaptionView(transcript, "clip 1", emotion)
        for event in events:
            transcript.apply(event)
            view.apply(event)
        self.console.print(view)
        return self.output.getvalue()


def test_before_the_first_word() -> None:
    assert "listening" in Screen(terminal=False).of()


def test_tentative_words_are_dimmed_and_committed_ones_are_not() -> None:
    text = Screen(terminal=True).of(FELT, SPOKEN)
    assert "\x1b[2;3mwor\x1b[0m" in text
    assert "Hello" in text
    assert "\x1b[2;3mHello" not in text
    assert "clip 1" in text


def test_emotion_and_lag_stand_below() -> None:
    text = Screen(terminal=False).of(FELT, SPOKEN)
    assert "happy 83%  sad 17%" in text
    assert "lag 120 ms" in text


@pytest.mark.parametrize("stop", [EmotionShown.SUBTLE, EmotionShown.VOICE])
def test_a_small_word_stands_behind_what_is_surely_emotional(stop: EmotionShown) -> None:
    text = Screen(terminal=True).of(FELT, SPOKEN, CLOSED, emotion=stop)
    assert "Hello\x1b[33m  (happy)\x1b[0m" in text
    assert "83%" not in text
    calm = CLOSED.model_copy(update={"emotion": WireEmotion(label="neutral", probs={})})
    assert "neutral" not in Screen(terminal=False).of(FELT, SPOKEN, calm, emotion=stop)


def test_off_is_the_words_alone() -> None:
    text = Screen(terminal=True).of(FELT, SPOKEN, CLOSED, emotion=EmotionShown.OFF)
    assert "Hello" in text
    assert "happy" not in text


def test_loud_words_are_bold_and_soft_ones_dim_where_the_voice_is_shown() -> None:
    words = tuple(
        word(i, text, "committed").model_copy(update={"loudness": db})
        for i, (text, db) in enumerate((("No!", 7.0), ("please", -11.0), ("go", 1.0)))
    )
    said = WordsEvent(segment_id=0, words=words, lag_ms=1)
    text = Screen(terminal=True).of(said, emotion=EmotionShown.VOICE)
    assert "\x1b[1mNo!\x1b[0m \x1b[2mplease\x1b[0m go" in text
    assert "No! please go" in Screen(terminal=True).of(said, emotion=EmotionShown.SUBTLE)


def test_a_sound_is_told_quietly_while_it_goes_on() -> None:
    began = SoundEvent(sound="music", start_ms=0, lag_ms=1)
    ended = SoundEvent(sound="music", start_ms=0, end_ms=9_000, lag_ms=1)
    assert "\x1b[2m[music]\x1b[0m" in Screen(terminal=True).of(SPOKEN, began)
    assert "music" not in Screen(terminal=True).of(SPOKEN, began, ended)


def test_where_there_is_no_terminal_a_sound_is_printed_once() -> None:
    screen, transcript = Screen(terminal=False), Transcript()
    with shown(screen.console, CaptionView(transcript, "", EmotionShown.OFF)) as captions:
        for end_ms in (None, 9_000):
            captions.apply(SoundEvent(sound="music", start_ms=0, end_ms=end_ms, lag_ms=1))
    assert screen.output.getvalue() == "[music]\n"


def test_the_emotion_bar_is_shared_by_the_probabilities() -> None:
    probs = {"sad": 0.25, "neutral": 0.5, "angry": 0.2, "fearful": 0.05}
    line = emotion_bar(WireEmotion(label="unknown", probs=probs))
    bar = [(span.end - span.start, str(span.style)) for span in line.spans[1:5]]
    assert bar == [(12, "default"), (6, "blue"), (5, "red"), (1, "magenta")]
    assert line.plain.startswith(" unknown  ")
    assert line.plain.endswith("█  neutral 50%  sad 25%  angry 20%")


def test_a_bar_without_probabilities_is_empty() -> None:
    assert emotion_bar(WireEmotion(label="unknown", probs={})).plain.endswith("░" * 24)


def test_the_newest_words_are_seen_on_a_low_screen() -> None:
    many = tuple(word(i, f"number{i}", "committed") for i in range(200))
    screen = Screen(terminal=False, height=9)
    text = screen.of(FELT, WordsEvent(segment_id=0, words=many, lag_ms=5))
    assert "number199" in text
    assert "number0 " not in text
    assert "lag 5 ms" in text
    assert len(text.splitlines()) == 8


def test_a_title_is_not_markup() -> None:
    screen = Screen(terminal=False)
    screen.console.print(CaptionView(Transcript(), "[red]USB", EmotionShown.SUBTLE))
    assert "[red]USB" in screen.output.getvalue()


def test_finished_segments_stay_with_their_emotion() -> None:
    text = Screen(terminal=False).of(SPOKEN, CLOSED)
    assert "happy  Hello" in text
    assert "wor" not in text


def test_trouble_is_shown() -> None:
    text = Screen(terminal=False).of(
        LossEvent(start_ms=0, lost_samples=24_000, reason="overrun"),
        DecoderEvent(decoder="draft", reason="overload"),
    )
    assert "lost 1.5 s" in text
    assert "draft decoder: overload" in text


def test_an_unknown_emotion_has_no_number() -> None:
    unknown = EmotionEvent(
        emotion=WireEmotion(label="unknown", probs={}), start_ms=0, end_ms=1, lag_ms=1
    )
    assert "%" not in Screen(terminal=False).of(unknown)


@pytest.mark.parametrize(
    ("level_db", "filled", "styles"),
    [(-90, 0, ["dim"]), (-30, 8, ["green", "dim"]), (-1, 16, ["red"])],
)
def test_meter(level_db: float, filled: int, styles: list[str]) -> None:
    bar = meter(level_db)
    assert bar.plain.count("█") == filled
    assert len(bar.plain) == 16
    assert [str(span.style) for span in bar.spans] == styles


def closed(segment_id: int) -> SegmentEvent:
    text = f"sentence{segment_id}"
    said = (word(segment_id, text, "final"),)
    changed = {"segment_id": segment_id, "words": said, "text": text}
    return CLOSED.model_copy(update=changed)


def spoken(segment_id: int) -> WordsEvent:
    said = (word(segment_id, f"sentence{segment_id}", "committed"),)
    return WordsEvent(segment_id=segment_id, words=said, lag_ms=90)


def show(events: Sequence[ServerEvent], *, terminal: bool) -> str:
    screen = Screen(terminal=terminal)
    transcript = Transcript()
    view = CaptionView(transcript, "clip 1", EmotionShown.FULL)
    view.level_db = -12.0
    with shown(screen.console, view) as captions:
        for event in events:
            transcript.apply(event)
            captions.apply(event)
        captions.tell_connection(False)
        transcript.interrupt()
    return screen.output.getvalue()


def test_a_terminal_keeps_the_last_state() -> None:
    text = show([SPOKEN, CLOSED], terminal=True)
    assert "█" in text
    assert "reconnecting" in text


def test_what_leaves_the_view_stays_above_it() -> None:
    events = [event for i in range(9) for event in (spoken(i), closed(i))]
    lines = show(events, terminal=True).splitlines()
    above = [line for line in lines if "sentence" in line and "│" not in line]
    assert [f"sentence{i}" in line for i, line in enumerate(above)] == [True] * 3


def test_without_a_terminal_segments_are_lines() -> None:
    problem = ErrorEvent(
        code=ErrorCode.SEQUENCE_GAP, message="100 samples [are] missing", fatal=False
    )
    empty = CLOSED.model_copy(update={"segment_id": 1, "words": (), "text": ""})
    lines = show([SPOKEN, CLOSED, problem, empty, spoken(1)], terminal=False).splitlines()
    assert lines == [
        "   happy  Hello  (0.0 s, lag 80 ms)",
        "sequence_gap: 100 samples [are] missing",
        "connection lost, reconnecting …",
        " unknown  sentence1  (0.5 s, lag 90 ms)",
    ]
