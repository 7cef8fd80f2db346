"""Whose recordings conversations are made of, and what is compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from benchmarks.quality.speakers import Judged, pools


def manifest(folder: Path, clips: Sequence[tuple[str, str]]) -> None:
    """Clips by speaker and id."""
    folder.mkdir(parents=True)
    rows = (
        {"path": f"{name}.mp3", "id": name, "text": "so", "speaker": who} for who, name in clips
    )
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def test_each_reader_has_one_room_and_one_microphone(tmp_path: Path) -> None:
    chapters = {"7": {"7-1": 5, "7-2": 9}, "8": {"8-1": 8}, "9": {"9-1": 2}}
    clips = [
        (reader, f"{chapter}-{at:04}")
        for reader, some in chapters.items()
        for chapter, n in some.items()
        for at in range(n)
    ]
    manifest(tmp_path / "asr" / "librispeech_dev_clean_mp3", clips)
    manifest(tmp_path / "emotion" / "crema_d", [("ada", f"ada_{at}") for at in range(8)])
    for kind, pool, _ in pools(tmp_path, "dev"):
        if kind.endswith("readers"):
            found = {reader: {clip.id[:3] for clip in some} for reader, some in pool.items()}
            assert found == {"7": {"7-2"}, "8": {"8-1"}}
            assert len(pool["7"]) == 9


def test_cpu_is_that_of_conversations_that_were_heard_both_ways() -> None:
    judged = Judged(6, audio_s=600, compared=2, compared_s=200, cpu_s=20, cpu_without_s=19)
    found = judged.summary()
    assert (found["cpu_ms_a_second"], found["cpu_ms_a_second_without"]) == (100.0, 95.0)
