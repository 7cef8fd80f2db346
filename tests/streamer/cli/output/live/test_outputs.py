from __future__ import annotations

from pathlib import Path

import pytest
import typer

from streamer.cli.output.live.outputs import live_outputs
from streamer.cli.output.live.playlist import PLAYLIST
from streamer.transcript.emotion_shown import EmotionShown
from streamer.transcript.events import SegmentClosed
from tests.fakes import FakeEngine
from tests.streamer.cli.conftest import Run
from tests.streamer.cli.output.live.captioned import piece, update
from tests.streamer.cli.output.live.meeting import meeting
from tests.streamer.cli.output.live.playlists import read_playlist


def test_all_targets_get_all_text(tmp_path: Path) -> None:
    with meeting() as held:
        places = [f"hls:{tmp_path / 'a'}", f"zoom:{held.url}", f"hls:{tmp_path / 'b'}"]
        with live_outputs(places, "en", EmotionShown.OFF, hls_minutes=0) as outputs:
            outputs.on_event(update("Hello there. And", 0))
            outputs.on_event(SegmentClosed(piece("Hello there. And", 0)))
            outputs.on_event(update("left over", 4_000))
        assert outputs.problems == []
    assert "".join(held.texts) == "Hello there.\nAnd\nleft over\n"
    for folder in ("a", "b"):
        (segment,) = read_playlist(tmp_path / folder / PLAYLIST).segments
        assert [cue.text for cue in segment.cues] == ["Hello there.", "And", "left over"]


def test_a_disk_that_fails_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    with live_outputs(
        [f"hls:{tmp_path / 'a'}", f"hls:{tmp_path / 'b'}"], "en", EmotionShown.OFF, hls_minutes=0
    ) as outputs:
        (tmp_path / "a" / PLAYLIST).unlink()
        (tmp_path / "a").rmdir()
        outputs.on_event(update("Hello.", 0))
    (problem,) = outputs.problems
    assert problem == "--to hls: the captions cannot be written: No such file or directory"
    assert read_playlist(tmp_path / "b" / PLAYLIST).ended


@pytest.mark.parametrize(
    ("place", "advice"),
    [
        ("hls:", "'hls:' is neither hls:FOLDER nor zoom:URL"),
        ("rtmp://x", "'rtmp://x' is neither"),
        ("zoom:wmcc.zoom.us", "the whole address that Zoom gives"),
        ("zoom:ftp://wmcc.zoom.us/closedcaption?id=1", "the whole address"),
        ("zoom:https://wmcc.zoom.us/closedcaption", "the whole address"),
    ],
)
def test_what_is_no_target_is_refused(
    place: str, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):
        live_outputs([place], "en", EmotionShown.OFF, hls_minutes=0)
    assert advice in capsys.readouterr().err


def test_captions_are_given_on(
    run: Run, fake_engine: FakeEngine, speech: Path, tmp_path: Path
) -> None:
    with meeting() as held:
        places = ("--to", f"hls:{tmp_path / 'hls'}", "--to", f"zoom:{held.url}")
        assert run("transcribe", speech, *places).exit_code == 0
    assert "".join(held.texts) == "w0\nw16000\n"
    playlist = read_playlist(tmp_path / "hls" / PLAYLIST)
    assert playlist.ended
    (segment,) = playlist.segments
    assert [cue.text for cue in segment.cues] == [
        *("(happy) w0", "(happy) w16000"),
    ]
    several = run("transcribe", speech, speech, *places)
    assert several.exit_code == 2
    assert "--to gives the captions of one file on" in several.stderr
