from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from streamer.audio.clock import samples_from_ms
from streamer.transcript.emotion_shown import EmotionShown
from streamer.transcript.events import SegmentClosed, SpeechBegan, WordsUpdate
from streamer.transcript.formats import CaptionFormat, caption_writer
from streamer.transcript.ledger import Segment, Word, WordState
from streamer.transcript.sides import InTurn, Names, OpenSegments

NAMES = Names(sides=("You", "R&D"))


def segment(channel: int, start_ms: int, *texts: str) -> Segment:
    """A word a second."""
    words = tuple(
        Word(
            at,
            text,
            samples_from_ms(start_ms + 1_000 * at),
            samples_from_ms(start_ms + 1_000 * at + 900),
            0.9,
            WordState.FINAL,
            0,
        )
        for at, text in enumerate(texts)
    )
    start, end = words[0].start_sample, words[-1].end_sample
    return Segment(channel, start, end, words, final=True, channel=channel)


LONG = segment(0, 0, *["one", "two", "three.", "four", "five", "six.", "seven", "eight", "nine."])
SHORT = segment(1, 4_200, "Yes.")


def written(wanted: CaptionFormat) -> str:
    """Of a short answer into a long speech, which ends later."""
    writer = caption_writer(wanted, EmotionShown.OFF, NAMES)
    text = writer.add(SHORT, LONG.start_sample)
    assert text == ""
    return writer.head + writer.add(LONG) + writer.end()


def test_subtitles_come_in_the_order_in_which_they_begin_and_name_the_side() -> None:
    lines = written(CaptionFormat.SRT).split("\n\n")
    assert [cue.split("\n", 2)[2] for cue in lines if cue] == [
        "You: one two three.",
        "four five six.",
        "R&D: Yes.",
        "You: seven eight nine.",
    ]


def test_webvtt_has_voices_and_starts_that_grow() -> None:
    text = written(CaptionFormat.VTT)
    assert re.findall("<v ([^>]+)>", text) == ["You", "You", "R&amp;D", "You"]
    starts = re.findall("(.*) -->", text)
    assert starts == sorted(starts)


def test_text_and_json_lines_have_whole_segments() -> None:
    assert written(CaptionFormat.TXT).splitlines() == [f"You: {LONG.text}", "R&D: Yes."]
    told = [json.loads(line) for line in written(CaptionFormat.JSONL).splitlines()]
    assert [(one["channel"], one["name"]) for one in told] == [(0, "You"), (1, "R&D")]


def test_a_side_of_several_counts_them_and_knows_who_is_known() -> None:
    names = Names(("You", "R&D"), ("Ada",))
    # Labels 1, 3, 5 are of the first side, 2, 4, 6 of the second one.
    assert [names.of(0, speaker) for speaker in (None, 0, 1, 3)] == ["You", "Ada", "You", "You (2)"]
    assert [names.of(1, speaker) for speaker in (None, 0, 2, 4, 6)] == [
        "R&D",
        "Ada",
        "R&D",
        "R&D (2)",
        "R&D (3)",
    ]


def test_the_side_is_named_again_where_it_changes_alone() -> None:
    writer = caption_writer(CaptionFormat.TXT, names=NAMES)
    said = [segment(0, 0, "a"), segment(0, 2_000, "b"), segment(1, 4_000, "c")]
    assert "".join(map(writer.add, said)) == "You: a\nb\nR&D: c\n"


def test_what_is_open_is_known_from_its_events() -> None:
    spoken = OpenSegments()
    assert spoken.earliest is None
    spoken.on_event(SpeechBegan(0, 160, 1))
    spoken.on_event(WordsUpdate(1, LONG.words, (), 0))  # as behind one that was too long
    assert spoken.earliest == 0
    spoken.on_event(SegmentClosed(LONG))
    assert spoken.earliest == 160
    spoken.on_event(SegmentClosed(SHORT))
    assert spoken.earliest is None


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), max_size=30))
def test_items_come_in_order_and_each_once(turns: list[tuple[int, int]]) -> None:
    """Two who speak: one item each, from where the clock stood when they began."""
    clock, began, order, given_out = 0, {0: 0, 1: 0}, InTurn[int](), []
    added = []
    for speaker, pause in turns:
        clock += pause
        start, began[speaker] = began[speaker], clock
        added.append(start)
        given_out += order.add([(start, start)], min(began.values()))
    given_out += order.end()
    assert given_out == sorted(added)
