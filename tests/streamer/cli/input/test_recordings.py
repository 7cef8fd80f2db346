from __future__ import annotations

from pathlib import Path

import pytest
import typer

from streamer.audio.media.contract import Pipe, RawFormat, RawPipe, Url
from streamer.cli.input.recordings import inputs


def test_a_file_is_taken_whatever_its_name(tmp_path: Path) -> None:
    (heard,) = inputs([str(tmp_path / "missing.xyz")])
    assert heard.source == tmp_path / "missing.xyz"
    assert (heard.stem, heard.may_be_endless) == ("missing", False)


def test_a_folder_stands_for_the_recordings_in_it(tmp_path: Path) -> None:
    for name in ("b.mp3", "a.M4A", "notes.txt", "film.mkv"):
        (tmp_path / name).touch()
    (tmp_path / "folder.wav").mkdir()
    heard = inputs([str(tmp_path), "talk.wav"])
    assert [Path(one.name).name for one in heard] == ["a.M4A", "b.mp3", "film.mkv", "talk.wav"]


@pytest.mark.parametrize(
    ("address", "stem"),
    [
        ("https://radio.example/live/news.m3u8?key=1", "news"),
        ("http://radio.example:8000/", "radio.example"),
    ],
)
def test_an_address_is_not_taken_for_a_path(address: str, stem: str) -> None:
    (heard,) = inputs([address])
    assert (heard.source, heard.stem, heard.name) == (Url(address), stem, address)
    assert heard.may_be_endless


def test_standard_input() -> None:
    (heard,) = inputs(["-"])
    assert (heard.source, heard.stem, heard.may_be_endless) == (Pipe(), "stdin", True)
    (heard,) = inputs(["-"], RawFormat.F32LE, 48_000, 2)
    assert heard.source == RawPipe(RawFormat.F32LE, 48_000, 2)


@pytest.mark.parametrize(
    ("given", "raw", "message"),
    [
        (["-", "-"], None, "standard input can be read once"),
        (["talk.raw"], RawFormat.S16LE, "--raw is of standard input: give -, and nothing else"),
        (["-", "talk.wav"], RawFormat.S16LE, "--raw is of standard input"),
        (["{empty}"], None, "no recordings are in this folder"),
    ],
)
def test_what_cannot_be_is_refused(
    tmp_path: Path,
    given: list[str],
    raw: RawFormat | None,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit) as caught:
        inputs([one.format(empty=tmp_path) for one in given], raw)
    assert caught.value.exit_code == 2
    assert message in capsys.readouterr().err
