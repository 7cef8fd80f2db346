"""Caption files that are written while somebody speaks."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from streamer.audio.clock import samples_from_ms
from streamer.transcript.caption_files import CaptionFiles
from streamer.transcript.emotion_shown import EmotionShown
from streamer.transcript.formats import CaptionFormat, caption_text
from streamer.transcript.ledger import Emotion, Segment, Word, WordState


def said(number: int, text: str) -> Segment:
    """Half a second of speech, in the second of that number."""
    start, end = samples_from_ms(number * 1_000), samples_from_ms(number * 1_000 + 500)
    word = Word(number, text, start, end, 0.9, WordState.FINAL, number)
    return Segment(number, start, end, (word,), Emotion("sad", {"sad": 1.0}), final=True)


def test_files_are_whole_after_every_segment(tmp_path: Path) -> None:
    segments = [said(0, "Hello"), said(1, "h\u00e9llo"), said(2, "again")]
    with CaptionFiles(tmp_path / "new" / "folder", "talk") as files:
        assert [path.name for path in files.paths] == [
            *("talk.srt", "talk.vtt", "talk.jsonl", "talk.txt"),
        ]
        for n in range(len(segments) + 1):
            for wanted, path in zip(CaptionFormat, files.paths, strict=True):
                assert path.read_text(encoding="utf-8") == caption_text(wanted, segments[:n])
            if n < len(segments):
                files.add(segments[n])


def test_who_reads_along_has_every_cue_to_its_end(tmp_path: Path) -> None:
    """A cue ends with an empty line; who follows a file must not wait for the next cue for it."""
    with CaptionFiles(tmp_path, "talk", EmotionShown.FULL) as files:
        srt, vtt = (path.open(encoding="utf-8") for path in files.paths[:2])
        with srt, vtt:
            assert (srt.read(), vtt.read()) == ("", "WEBVTT\n\n")
            for n in range(2):
                files.add(said(n, "Hello"))
                times = f"00:00:0{n}.000 --> 00:00:0{n}.900"
                assert srt.read() == f"{n + 1}\n{times}\n(sad) Hello\n\n".replace(".", ",")
                assert vtt.read() == f"{times}\n<c.sad>Hello</c>\n\n"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        CaptionFiles(tmp_path / "file" / "folder", "talk")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    for wanted in CaptionFormat:
        (tmp_path / f"talk.{wanted}").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught, CaptionFiles(tmp_path, "talk"):
        pass
    assert caught.value.errno == errno.ENOSPC
