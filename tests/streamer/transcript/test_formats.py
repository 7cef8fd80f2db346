"""Exports: every ledger gives files that parse, in order, without overlaps, with all its words."""

from __future__ import annotations

import html
import itertools
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.audio.clock import samples_from_ms
from streamer.transcript.cues import MAX_LINE_CHARS, MAX_LINES, Cue, CueTrack
from streamer.transcript.emotion_shown import EmotionShown
from streamer.transcript.formats import CaptionFormat, caption_text
from streamer.transcript.ledger import Arousal, Emotion, Segment, Voice, Word, WordState

TIME = r"(\d{2,}):(\d\d):(\d\d)[.,](\d{3})"
CUE = re.compile(rf"{TIME} --> {TIME}\n((?:.+\n)+)")


def word(text: str, start_ms: float, end_ms: float, word_id: int = 0) -> Word:
    start, end = samples_from_ms(start_ms), samples_from_ms(end_ms)
    return Word(word_id, text, start, end, 0.9, WordState.FINAL, 0)


def segment(*words: Word, emotion: str | None = None, segment_id: int = 0) -> Segment:
    feeling = Emotion(emotion, {emotion: 1.0}) if emotion else None
    return Segment(segment_id, words[0].start_sample, words[-1].end_sample, words, feeling, True)


@st.composite
def ledgers(draw: st.DrawFn) -> list[Segment]:
    """Segments as a ledger may hold them: starts in order, ends that may run into the next."""
    at = 0.0
    segments = []
    for segment_id in range(draw(st.integers(0, 3))):
        words = []
        for _ in range(draw(st.integers(1, 25))):
            text = draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
            at += draw(st.sampled_from([0.0, 0.2, 250.0, 400.0, 2_500.0]))
            length = draw(st.sampled_from([0.0, 80.0, 300.0, 900.0]))
            words.append(word(text, at, at + length))
        at = words[-1].end_sample / 16
        emotion = draw(st.sampled_from([None, "happy", "unknown"]))
        segments.append(segment(*words, emotion=emotion, segment_id=segment_id))
    return segments


def cues(segments: list[Segment]) -> list[Cue]:
    track = CueTrack()
    return [cue for segment in segments for cue in track.add(segment)]


def to_srt(segments: list[Segment], shown: EmotionShown = EmotionShown.OFF) -> str:
    return caption_text(CaptionFormat.SRT, segments, shown)


def to_vtt(segments: list[Segment], shown: EmotionShown = EmotionShown.FULL) -> str:
    return caption_text(CaptionFormat.VTT, segments, shown)


def to_jsonl(segments: list[Segment]) -> str:
    return caption_text(CaptionFormat.JSONL, segments)


def to_txt(segments: list[Segment]) -> str:
    return caption_text(CaptionFormat.TXT, segments)


def visible(text: str) -> str:
    return "".join(text.split())


@given(ledgers())
def test_cues_are_in_order_readable_and_complete(segments: list[Segment]) -> None:
    made = cues(segments)
    for cue in made:
        assert 0 <= cue.start_ms < cue.end_ms
        assert 1 <= len(cue.lines) <= MAX_LINES
        assert all(0 < len(line) <= MAX_LINE_CHARS for line in cue.lines)
    for before, after in itertools.pairwise(made):
        assert before.end_ms <= after.start_ms
    shown = visible("".join(line for cue in made for line in cue.lines))
    assert shown == visible("".join(segment.text for segment in segments))


@given(ledgers())
def test_srt_and_vtt_parse_back_to_the_cues(segments: list[Segment]) -> None:
    made = cues(segments)
    vtt = to_vtt(segments)
    assert vtt.startswith("WEBVTT\n")
    assert len(CUE.findall(to_srt(segments))) == len(made)
    found = CUE.findall(vtt)
    assert len(found) == len(made)
    for cue, (h, m, s, ms, *_end, text) in zip(made, found, strict=True):
        assert ((int(h) * 60 + int(m)) * 60 + int(s)) * 1000 + int(ms) == cue.start_ms
        plain = html.unescape(re.sub(r"</?c[^>]*>", "", text))
        assert visible(plain) == visible("".join(cue.lines))


@given(ledgers())
def test_jsonl_holds_every_segment(segments: list[Segment]) -> None:
    lines = [json.loads(line) for line in to_jsonl(segments).split("\n")[:-1]]
    assert [line["text"] for line in lines] == [segment.text for segment in segments]
    assert [len(line["words"]) for line in lines] == [len(segment.words) for segment in segments]


def test_srt_looks_as_it_should() -> None:
    said = segment(word("Hello", 3_661_001, 3_661_400), word("there.", 3_661_500, 3_662_000))
    assert to_srt([said]) == "1\n01:01:01,001 --> 01:01:02,001\nHello there.\n\n"


def test_vtt_carries_the_emotion_and_escapes() -> None:
    said = segment(word("R&B", 0, 500), word("<now>", 500, 900), emotion="happy")
    assert to_vtt([said]) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n<c.happy>R&amp;B &lt;now&gt;</c>\n\n"
    )


SAID = [
    segment(word("R&B", 0, 500), word("<now>", 500, 900), emotion="happy"),
    segment(word("Well,", 2_000, 2_400), word("then.", 2_400, 2_800), emotion="neutral"),
]


@pytest.mark.parametrize(
    ("shown", "srt", "vtt"),
    [
        ("off", ["R&B <now>", "Well, then."], ["R&amp;B &lt;now&gt;", "Well, then."]),
        (
            "subtle",
            ["(happy) R&B <now>", "Well, then."],
            ["(happy) R&amp;B &lt;now&gt;", "Well, then."],
        ),
        (
            "full",
            ["(happy) R&B <now>", "Well, then."],
            ["<c.happy>R&amp;B &lt;now&gt;</c>", "<c.neutral>Well, then.</c>"],
        ),
    ],
)
def test_how_much_of_the_emotion_subtitles_show(
    shown: EmotionShown, srt: list[str], vtt: list[str]
) -> None:
    shown = EmotionShown(shown)
    assert [text for *_, text in CUE.findall(to_srt(SAID, shown))] == [f"{t}\n" for t in srt]
    assert [text for *_, text in CUE.findall(to_vtt(SAID, shown))] == [f"{t}\n" for t in vtt]


def test_subtitles_show_how_loud_words_are() -> None:
    loud, soft, usual = (
        replace(word(text, at, at + 400), voice=Voice(db, None))
        for text, at, db in (("No!", 0, 6.0), ("please", 400, -10.0), ("go", 800, 5.9))
    )
    said = [segment(loud, soft, usual, emotion="angry")]
    assert "\n<b>(angry) No!</b> please go\n" in to_srt(said, EmotionShown.VOICE)
    assert "\n<c.loud>(angry) No!</c> <c.soft>please</c> go\n" in to_vtt(said, EmotionShown.VOICE)
    assert "<" not in to_srt(said, EmotionShown.SUBTLE) + to_vtt(said, EmotionShown.SUBTLE)


@given(ledgers())
def test_a_tag_breaks_no_line(segments: list[Segment]) -> None:
    track = CueTrack(tagged=True)
    made = [cue for one in segments for cue in track.add(one)]
    assert all(len(line) <= MAX_LINE_CHARS for cue in made for line in cue.lines)
    # They touch where words take no time at all.
    assert all(before.end_ms <= after.start_ms for before, after in itertools.pairwise(made))


def test_a_word_that_fills_its_line_leaves_the_tag_its_own() -> None:
    (cue,) = CueTrack(tagged=True).add(segment(word("x" * 40, 0, 500), emotion="disgust"))
    assert cue.lines == ("(disgust)", "x" * 40)


def test_an_arrow_cannot_end_up_in_srt_text() -> None:
    assert "a\u2192b" in to_srt([segment(word("a-->b", 0, 500))])


def test_jsonl_tells_what_was_measured_of_a_voice() -> None:
    loud = replace(word("loud", 0, 500), voice=Voice(6.5, 240.0))
    hush = replace(word("hush", 500, 900), voice=Voice(-8.0, None))
    happy = Emotion("happy", {"happy": 1.0}, Arousal(0.5, 0.25))
    told = json.loads(to_jsonl([replace(segment(loud, hush, word("so", 900, 950)), emotion=happy)]))
    assert told["emotion"]["arousal"] == {"value": 0.5, "confidence": 0.25}
    measured = [{k: w[k] for k in ("loudness", "pitch") if k in w} for w in told["words"]]
    assert measured == [{"loudness": 6.5, "pitch": 240.0}, {"loudness": -8.0}, {}]


def test_where_no_emotion_was_told_no_file_has_one() -> None:
    said = [segment(word("calm", 0, 500))]
    for wanted in CaptionFormat:
        assert not re.search("emotion|unknown|<c", caption_text(wanted, said))


def test_nothing_said_gives_valid_empty_files() -> None:
    assert (to_srt([]), to_vtt([]), to_jsonl([]), to_txt([])) == ("", "WEBVTT\n\n", "", "")


def test_txt_has_a_line_a_segment() -> None:
    assert to_txt([segment(word("a", 0, 1), word("b\n", 1, 2)), segment(word("c", 3, 4))]) == (
        "a b\nc\n"
    )


def test_captions_name_who_speaks() -> None:
    turns = [(0, "Hello."), (0, "Well?"), (1, "<Yes>"), (None, "Hm."), (1, "No.")]
    said = [
        replace(segment(word(text, 2_000 * at, 2_000 * at + 500), segment_id=at), speaker=speaker)
        for at, (speaker, text) in enumerate(turns)
    ]
    srt = caption_text(CaptionFormat.SRT, said)
    assert re.findall(r"^[A-Z<].*$", srt, re.MULTILINE) == [
        "Speaker 1: Hello.",
        "Well?",
        "Speaker 2: <Yes>",
        "Hm.",
        "No.",
    ]
    assert caption_text(CaptionFormat.TXT, said).splitlines() == [
        "Speaker 1: Hello.",
        "Well?",
        "Speaker 2: <Yes>",
        "Hm.",
        "No.",
    ]
    vtt = caption_text(CaptionFormat.VTT, said)
    assert "<v Speaker 1>Hello.\n" in vtt
    assert "<v Speaker 2>&lt;Yes&gt;\n" in vtt
    assert "\nHm.\n" in vtt
    told = [json.loads(line) for line in caption_text(CaptionFormat.JSONL, said).splitlines()]
    assert [one.get("speaker") for one in told] == [0, 0, 1, None, 1]
