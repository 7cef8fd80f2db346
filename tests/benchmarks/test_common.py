"""Choosing recordings, and what stands in every result."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("psutil")

import typer

from benchmarks.common import (
    Recording,
    choose,
    figure,
    load_clips,
    load_longform,
    load_sets,
    percentiles,
    speech_stream,
    style,
    write_result,
)


def _sets(**sizes: int) -> dict[str, list[Recording]]:
    return {
        name: [Recording(name, f"{name}{i}", (), "", "") for i in range(size)]
        for name, size in sizes.items()
    }


def test_every_set_gives_the_same_number_as_far_as_it_goes() -> None:
    chosen = choose(_sets(small=2, large=20), 10, seed=0)
    assert {name: len(clips) for name, clips in chosen.items()} == {"small": 2, "large": 8}


def test_a_larger_choice_adds_to_a_smaller_one() -> None:
    sets = _sets(one=30)
    few, many = choose(sets, 5, seed=3)["one"], choose(sets, 12, seed=3)["one"]
    assert many[:5] == few
    assert choose(sets, 5, seed=4)["one"] != few


def test_zero_takes_all_and_too_many_is_not_an_error() -> None:
    sets = _sets(one=3)
    assert choose(sets, 0, seed=0) == sets
    assert len(choose(sets, 99, seed=0)["one"]) == 3


def test_bundled_speech_and_its_manifest_are_the_same_clips(bundled_speech: Path) -> None:
    by_name = load_clips("bundled", Path())
    by_path = load_clips(str(bundled_speech / "manifest.jsonl"), Path())
    assert [clip.text for clip in by_name] == [clip.text for clip in by_path]
    assert list(load_sets("bundled", Path())) == ["bundled"]


def test_a_set_by_name_with_longform(tmp_path: Path, bundled_speech: Path) -> None:
    folder = tmp_path / "asr" / "tiny"
    folder.mkdir(parents=True)
    first = json.loads((bundled_speech / "manifest.jsonl").read_text().splitlines()[0])
    (folder / "a.opus").write_bytes((bundled_speech / first["path"]).read_bytes())
    row = {"path": "a.opus", "id": "a", "text": "then", "speaker": "1"}
    (folder / "manifest.jsonl").write_text(json.dumps(row) + "\n")
    long = {"id": "ab", "paths": ["a.opus", "a.opus"], "text": "then then", "speaker": "1"}
    (folder / "longform.jsonl").write_text(json.dumps(long) + "\n")
    (clip,) = load_clips("tiny", tmp_path)
    (both,) = load_longform("tiny", tmp_path)
    assert clip.set_name == both.set_name == "tiny"
    assert sum(map(len, both.pieces())) == 2 * len(clip.pieces()[0])


def test_an_unknown_set_is_named() -> None:
    with pytest.raises(typer.BadParameter, match="no set 'nowhere'"):
        load_clips("nowhere", Path("data"))


def test_a_stream_has_the_wanted_length_and_repeats_with_its_seed() -> None:
    clips = load_clips("bundled", Path())[:2]
    stream = speech_stream(clips, 20.0, 0.5, seed=1)
    assert len(stream) == 20 * 16_000
    assert np.array_equal(stream, speech_stream(clips, 20.0, 0.5, seed=1))


def test_percentiles() -> None:
    assert percentiles([1.0, 2.0, 3.0], (50,)) == {"p50": 2.0}
    assert percentiles([]) == {}


def test_a_result_tells_where_it_comes_from(tmp_path: Path) -> None:
    picture = figure()
    style(picture.subplots(), "title", "x", "y")
    path = write_result("folder.thing", tmp_path, {"seed": 0}, {"value": 1}, picture)
    document = json.loads(path.read_text())
    assert document["benchmark"] == "folder.thing"
    assert document["command"].startswith("python -m benchmarks.folder.thing")
    assert document["machine"]["cores"] >= 1
    assert document["machine"]["cpu"]
    assert document["machine"]["matmul_gflops_at_end"] > 0
    assert {"torch", "python"} <= document["versions"].keys()
    assert document["parameters"] == {"seed": 0}
    assert document["results"] == {"value": 1}
    assert path == tmp_path / "thing.json"
    assert (tmp_path / "thing.png").stat().st_size > 1000
    assert write_result("folder.thing", tmp_path, {}, {}, picture, file="other").stem == "other"
