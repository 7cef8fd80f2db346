"""Sounds that are no speech, in caption files: a quiet tag where they begin."""

from __future__ import annotations

import json

from streamer.transcript.events import SoundHeard
from streamer.transcript.formats import CaptionFormat, caption_writer
from tests.streamer.transcript.test_formats import segment, word

BEGAN = SoundHeard("music", 16_000)
ENDED = SoundHeard("music", 16_000, 160_000)
BEFORE = segment(word("Hello.", 200, 700))
DURING = segment(word("Well", 3_000, 3_300), word("then.", 3_300, 3_700))


def written(wanted: CaptionFormat) -> str:
    """Music begins between two segments, and ends behind them."""
    writer = caption_writer(wanted)
    return "".join(
        (
            writer.head,
            writer.add(BEFORE),
            writer.add_sound(BEGAN, DURING.start_sample),
            writer.add(DURING),
            writer.add_sound(ENDED),
            writer.end(),
        )
    )


def test_subtitles_tell_it_for_three_seconds_where_it_begins() -> None:
    srt = written(CaptionFormat.SRT)
    assert "2\n00:00:01,000 --> 00:00:04,000\n[music]\n\n3\n00:00:03,000 -->" in srt
    assert srt.count("[music]") == 1
    vtt = written(CaptionFormat.VTT)
    assert "00:00:01.000 --> 00:00:04.000\n[music]\n\n" in vtt


def test_text_has_a_line_of_it() -> None:
    assert written(CaptionFormat.TXT) == "Hello.\n[music]\nWell then.\n"


def test_json_lines_tell_from_when_until_when() -> None:
    lines = [json.loads(line) for line in written(CaptionFormat.JSONL).splitlines()]
    assert [line.get("text") for line in lines] == ["Hello.", "Well then.", None]
    assert lines[-1] == {"sound": "music", "start_s": 1.0, "end_s": 10.0}


def test_json_lines_tell_what_went_on_to_the_end() -> None:
    writer = caption_writer(CaptionFormat.JSONL)
    assert writer.add_sound(BEGAN) == ""
    assert json.loads(writer.end()) == {"sound": "music", "start_s": 1.0}


def test_a_tag_that_is_known_late_does_not_come_before_what_was_written() -> None:
    writer = caption_writer(CaptionFormat.VTT)
    writer.add(segment(word("Hello.", 2_000, 2_500)))
    assert writer.add_sound(BEGAN).startswith("00:00:02.000 --> 00:00:05.000\n[music]")


def test_it_waits_for_who_began_before_it() -> None:
    writer = caption_writer(CaptionFormat.TXT)
    assert writer.add_sound(BEGAN, open_from=3_200) == ""
    assert writer.add(BEFORE) == "Hello.\n[music]\n"
