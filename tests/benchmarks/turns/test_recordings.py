from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.turns.recordings import conversations, dictation, read_sentences
from streamer.audio.clock import SAMPLE_RATE
from streamer.transcript.ledger import Word, WordState


def at(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def recognized(text: str) -> list[Word]:
    """A word a second."""
    return [
        Word(i, word, at(i), at(i + 0.8), 0.9, WordState.FINAL, 0)
        for i, word in enumerate(text.split())
    ]


def manifest(folder: Path, rows: Sequence[Mapping[str, object]], seconds: float = 10) -> Path:
    for row in rows:
        noise = np.random.default_rng(0).normal(0, 0.1, at(seconds)).astype(np.float32)
        soundfile.write(folder / str(row["path"]), noise, SAMPLE_RATE)
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def test_a_speaker_is_heard_alone_and_ends_where_another_goes_on(tmp_path: Path) -> None:
    turns = [
        {"speaker": "A", "start": 1.0, "end": 3.0},
        {"speaker": "B", "start": 1.5, "end": 1.8},  # while A has the floor
        {"speaker": "A", "start": 4.0, "end": 5.0},
        {"speaker": "B", "start": 5.5, "end": 6.5},
        {"speaker": "A", "start": 7.0, "end": 8.0},
    ]
    rows = [{"path": "x.wav", "turns": turns}, {"path": "other.wav", "turns": turns}]
    one, another = conversations(manifest(tmp_path, rows), "calls", ("x",))
    assert (one.kind, one.speech_s) == ("calls", 4.0)
    assert another.speech_s == pytest.approx(1.3)
    assert not one.samples[: at(0.8)].any()
    assert np.count_nonzero(one.samples[at(1) : at(3)]) > at(1.9)
    assert not one.samples[at(5.3) : at(6.8)].any()  # B speaks
    ends = [one.truth.is_end(at(s), []) for s in (0.5, 2.0, 3.1, 5.1, 8.1)]
    assert ends == [None, False, False, True, True]


def test_of_dictation_the_text_tells(tmp_path: Path) -> None:
    rows = [{"path": "v.wav", "text": "One two. Three, “four five?” six"}, {"path": "w.wav"}]
    (one,) = dictation(manifest(tmp_path, rows))
    words = recognized("One too. Three four five six")
    ends = [one.truth.is_end(at(i + 0.9), words) for i in range(6)]
    assert ends == [False, True, False, False, True, False]
    assert one.truth.is_end(0, []) is None


def test_what_cannot_be_matched_is_not_judged(tmp_path: Path) -> None:
    (one,) = dictation(manifest(tmp_path, [{"path": "v.wav", "text": "One two three. Four"}]))
    words = recognized("One something else entirely four")
    assert [one.truth.is_end(at(i + 0.9), words) for i in (0, 2)] == [False, None]


@pytest.mark.parametrize("drawn_out", [False, True])
def test_sentences_are_heard_with_silence_between(tmp_path: Path, *, drawn_out: bool) -> None:
    folder = tmp_path / "asr" / "some"
    folder.mkdir(parents=True)
    (tmp_path / "asr" / "librispeech_prosody").mkdir()
    names = [f"{speaker}-1-000{i}" for speaker in (7, 8) for i in range(3)]
    rows = [{"path": f"{name}.wav", "id": name} for name in names]
    manifest(folder, rows, seconds=2)
    for row in rows:  # a second of silence inside
        sound, rate = soundfile.read(folder / row["path"], dtype="float32")
        sound[at(0.5) : at(1.5)] = 0
        soundfile.write(folder / row["path"], sound, rate)
    marked = [{"set": "some", "id": name, "text": "One two."} for name in names]
    prosody = tmp_path / "asr" / "librispeech_prosody" / "prosody.jsonl"
    prosody.write_text("\n".join(json.dumps(row) for row in marked))
    found = list(read_sentences(tmp_path, "some", 99.0, random.Random(1), drawn_out=drawn_out))
    assert [one.id for one in found] == ["7-1-0000", "8-1-0000"]  # one of each speaker
    enough = read_sentences(tmp_path, "some", 5.0, random.Random(1), drawn_out=drawn_out)
    assert len(list(enough)) == 1
    seconds = len(found[0].samples) / SAMPLE_RATE
    assert seconds - found[0].speech_s == pytest.approx(6.0)  # two behind each of three
    assert (found[0].speech_s > 6.0) == drawn_out
