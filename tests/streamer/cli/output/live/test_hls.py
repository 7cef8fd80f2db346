from __future__ import annotations

import re
from pathlib import Path

import pytest

from streamer.cli.output.live.hls import HlsCaptions
from streamer.cli.output.live.playlist import PLAYLIST
from streamer.transcript.emotion_shown import EmotionShown
from streamer.transcript.sides import NOBODY
from tests.streamer.cli.output.live.captioned import HAPPY, piece
from tests.streamer.cli.output.live.playlists import read_playlist

BEGUN_S = 1_800_000_000.0


@pytest.fixture
def hls(tmp_path: Path) -> HlsCaptions:
    return HlsCaptions(tmp_path / "live", EmotionShown.FULL, NOBODY, lambda: BEGUN_S)


def test_there_is_a_playlist_from_the_beginning(tmp_path: Path, hls: HlsCaptions) -> None:
    playlist = read_playlist(tmp_path / "live" / PLAYLIST)
    assert (playlist.segments, playlist.ended) == ([], False)


def test_segments_come_on_time_with_text_and_without(tmp_path: Path, hls: HlsCaptions) -> None:
    path = tmp_path / "live" / PLAYLIST
    hls.take(piece("Hello again.", 1_000))
    hls.reached(5_900, 6_900)
    assert read_playlist(path).segments == []
    hls.reached(6_000, 7_000)
    (first,) = read_playlist(path).segments
    assert [cue.text for cue in first.cues] == ["Hello again."]
    assert (first.cues[0].start_ms, first.duration_s) == (1_000, 6.0)
    hls.reached(18_500, 19_000)
    playlist = read_playlist(path)
    assert [len(segment.cues) for segment in playlist.segments] == [1, 0, 0]
    hls.end(20_000)
    playlist = read_playlist(path)
    assert playlist.ended
    assert [segment.duration_s for segment in playlist.segments] == [6, 6, 6, 2]


def test_a_cue_is_in_each_segment_that_shows_it(tmp_path: Path, hls: HlsCaptions) -> None:
    hls.take(piece("This goes on for a while now.", 4_500, HAPPY))
    hls.end(13_000)
    segments = read_playlist(tmp_path / "live" / PLAYLIST).segments
    assert [[cue.text for cue in segment.cues] for segment in segments] == [
        ["<c.happy>This goes on for a while now.</c>"],
        ["<c.happy>This goes on for a while now.</c>"],
        [],
    ]
    assert segments[0].cues == segments[1].cues


def test_moments_and_names_are_those_of_the_run(tmp_path: Path, hls: HlsCaptions) -> None:
    hls.end(7_000)
    segments = read_playlist(tmp_path / "live" / PLAYLIST).segments
    assert [segment.moment for segment in segments] == [
        "2027-01-15T08:00:00.000+00:00",
        "2027-01-15T08:00:06.000+00:00",
    ]
    assert [segment.name for segment in segments] == [
        "captions-20270115T080000-00000.vtt",
        "captions-20270115T080000-00001.vtt",
    ]


def test_who_never_pauses_is_not_waited_for(tmp_path: Path, hls: HlsCaptions) -> None:
    path = tmp_path / "live" / PLAYLIST
    hls.reached(0, 17_900)
    assert read_playlist(path).segments == []
    hls.reached(0, 18_000)
    assert [len(segment.cues) for segment in read_playlist(path).segments] == [0]
    hls.take(piece("Late words.", 1_000))
    hls.reached(12_000, 18_000)
    late = read_playlist(path).segments[1]
    assert [(cue.text, cue.start_ms) for cue in late.cues] == [("Late words.", 6_000)]


def test_a_new_run_leaves_the_segments_of_the_one_before(tmp_path: Path, hls: HlsCaptions) -> None:
    hls.end(3_000)
    (before,) = read_playlist(tmp_path / "live" / PLAYLIST).segments
    HlsCaptions(tmp_path / "live", EmotionShown.FULL, NOBODY, lambda: BEGUN_S + 60)
    assert read_playlist(tmp_path / "live" / PLAYLIST).segments == []
    assert (tmp_path / "live" / before.name).exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        HlsCaptions(tmp_path / "file" / "live", EmotionShown.FULL)


def test_a_player_reads_it(tmp_path: Path, hls: HlsCaptions) -> None:
    av = pytest.importorskip("av")
    hls.take(piece("Hello again.", 1_000))
    hls.take(piece("And again.", 8_000))
    hls.end(14_000)
    with av.open(
        str(tmp_path / "live" / PLAYLIST), options={"allowed_extensions": "ALL"}
    ) as opened:
        (stream,) = opened.streams
        assert stream.type == "subtitle"
        texts = [bytes(packet).decode() for packet in opened.demux(stream) if packet.size]
    assert re.sub(r"\s+", " ", " ".join(texts)) == "Hello again. And again."
