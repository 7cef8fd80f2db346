from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

from benchmarks.common import BUNDLED, load_clips
from benchmarks.quality.languages import (
    WAYS,
    Half,
    Heard,
    Outcome,
    Spoken,
    draw,
    errors_of,
    half_of,
    hear_live,
    load_spoken,
    summarize,
    table,
)
from streamer.recognition.engine import Engine, EngineOptions
from streamer.transcript.wer import WordErrors


def clip(number: int, language: str = "de", set_name: str = "read") -> Spoken:
    return Spoken(set_name, f"{number:02}", (Path(),), "eins zwei", "", language)


def test_no_clip_is_in_both_halves() -> None:
    clips = [clip(number, language) for language in ("de", "fr") for number in range(7)]
    tune, tell = (half_of(clips, half, 0) for half in Half)
    assert [c.id for c in tune if c.language == "fr"] == ["00", "02", "04", "06"]
    assert len(tune) + len(tell) == len({(c.language, c.id) for c in tune + tell}) == 14
    assert [c.id for c in half_of(clips, Half.TELL, 2)] == ["01", "03"] * 2


def test_errors_are_of_words_or_of_characters() -> None:
    assert errors_of("de", "Der große Hund.", "der grosse hund") == WordErrors(1, 0, 0, 3)
    assert errors_of("ja", "復興 努力", "復興務力") == WordErrors(1, 0, 0, 4)


def outcome(wrong: int, named: str = "", audio_s: float = 6.0) -> Outcome:
    return Outcome(WordErrors(wrong, 0, 0, 10), "", audio_s, 1.5, (1000.0, 2000.0), named, 2.0)


def test_the_summary_counts_what_was_named_right() -> None:
    heard = [
        Heard(clip(1), {"offline": outcome(1), "live": outcome(2), "auto": outcome(2, "de")}),
        Heard(clip(2), {"offline": outcome(1), "live": outcome(4), "auto": outcome(9, "nl")}),
        Heard(
            clip(3, "fr"),
            {
                "offline": outcome(0),
                "live": outcome(0, audio_s=3.0),
                "auto": outcome(0, "", audio_s=3.0),
            },
        ),
    ]
    found = summarize(heard)
    german = found["languages"]["de"]
    assert [german["ways"][way]["error_percent"] for way in WAYS] == [10.0, 30.0, 55.0]
    assert german["ways"]["live"]["cpu_s_per_audio_s"] == 0.25
    assert german["ways"]["live"]["commit_delay_ms"]["p50"] == 1500.0
    assert (german["long_clips"], german["long_clips_named_right"]) == (2, 1)
    assert found["named"] == {"clips": 2, "right": 1}
    assert [(w["id"], w["named"]) for w in found["wrongly_named"]] == [("02", "nl"), ("03", "")]
    assert table(found).row_count == 2
    assert len(draw(found).axes) == 1


@pytest.mark.slow
def test_english_is_heard_live_and_named() -> None:
    engine = Engine.load(EngineOptions(threads=1, llm=False, languages=True))
    clip = load_clips(BUNDLED, Path())[0]
    spoken = Spoken(BUNDLED, clip.id, clip.paths, clip.text, clip.speaker, "en")
    heard = hear_live(engine, spoken, spoken.pieces()[0], "auto")
    engine.close()
    assert heard.errors.rate < 0.2
    assert heard.named == "en"
    assert 1.5 <= heard.named_after_s <= 7
    assert heard.commit_delays_ms
    assert heard.cpu_s > 0


def test_sets_are_read_with_their_languages(tmp_path: Path) -> None:
    folder = tmp_path / "asr" / "read"
    folder.mkdir(parents=True)
    row = {"path": "a/b.opus", "text": "ja", "language": "de"}
    (folder / "manifest.jsonl").write_text(json.dumps(row) + "\n")
    (spoken,) = load_spoken("read", tmp_path)
    assert (spoken.set_name, spoken.id, spoken.language) == ("read", "b", "de")
    with pytest.raises(typer.BadParameter, match="no set 'sung'"):
        load_spoken("read,sung", tmp_path)
