"""Speech of one person, and which of its pauses end a turn.

Of conversations each speaker is heard alone, as a program that answers hears them: the recording is
silent but for that speaker's turns. A pause ends a turn if another speaker goes on, or nobody
does. Where one person reads or dictates, a pause ends a turn if the text has a full stop, a
question mark or an exclamation mark there: nobody could know better.
"""

from __future__ import annotations

import difflib
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE, samples_from_ms, seconds_from_samples
from streamer.audio.files import read_samples
from streamer.transcript.ledger import Word
from streamer.transcript.wer import normalize

TAIL_S: Final = 3.0
"""Silence behind a recording, so that its last turn can end."""
_BETWEEN_S: Final = 2.0
"""Silence between two sentences that were recorded apart."""
_JOINED: Final = 8
"""Sentences that are heard as one recording."""
_BEFORE_S: Final = 0.1
_BEHIND_S: Final = 0.25
"""Sound kept around a turn: the times of words are rough."""
_INSIDE_S: Final = 0.3
"""A pause that begins so long before the turn's end lies inside it."""
_PAUSE_FRAME: Final = samples_from_ms(20)
_QUIET: Final = 0.05
"""Of a clip's root mean square: a pause."""
_DRAWN_OUT_MS: Final = (300, 1_500)


class Truth(Protocol):
    def is_end(self, since: int, words: Sequence[Word]) -> bool | None:
        """Whether the pause that begins at sample `since` ends a turn; None: it cannot be told.

        Args:
            words: all that was recognized.
        """


@dataclass(frozen=True, slots=True)
class Spoken:
    kind: str
    """`read`, `dictation`, `meetings` or `calls`."""
    id: str
    samples: Floats
    speech_s: float
    """How long the speaker has the floor."""
    truth: Truth


@dataclass(frozen=True, slots=True)
class _Turns:
    """By the times of everybody's turns."""

    own: Sequence[tuple[float, float]]
    others: Sequence[tuple[float, float]]

    def is_end(self, since: int, words: Sequence[Word]) -> bool | None:
        at = seconds_from_samples(since)
        before = [turn for turn in self.own if turn[0] < at]
        if not before:
            return None
        end = before[-1][1]
        if at < end - _INSIDE_S:
            return False
        following = min((start for start, _ in self.own if start > at), default=float("inf"))
        return following == float("inf") or any(
            start < following and stop > end for start, stop in self.others
        )


@dataclass(frozen=True, slots=True)
class _Text:
    """By the marks of the text that was read."""

    text: str

    def is_end(self, since: int, words: Sequence[Word]) -> bool | None:
        reference = self.text.split()
        spoken = [word for word in words if word.start_sample < since]
        if not spoken:
            return None
        matcher = difflib.SequenceMatcher(
            None,
            [" ".join(normalize(word.text)) for word in words],
            [" ".join(normalize(word)) for word in reference],
            autojunk=False,
        )
        for _, i1, i2, j1, j2 in matcher.get_opcodes():
            if i1 < len(spoken) <= i2:
                if i2 - i1 != j2 - j1:
                    return None
                read = reference[j1 + len(spoken) - 1 - i1]
                return read.rstrip("\"'”’)")[-1:] in (".", "?", "!")
        return None


def conversations(manifest: Path, kind: str, keep: Sequence[str] = ("",)) -> Iterator[Spoken]:
    """Each speaker of each recording whose name begins with one of `keep`."""
    for row in _rows(manifest):
        turns = row.get("turns", [])
        if not row["path"].startswith(tuple(keep)):
            continue
        samples = read_samples(manifest.parent / row["path"])
        for speaker in sorted({turn["speaker"] for turn in turns}):
            own = [(t["start"], t["end"]) for t in turns if t["speaker"] == speaker]
            others = [(t["start"], t["end"]) for t in turns if t["speaker"] != speaker]
            yield Spoken(
                kind,
                f"{row['path']} {speaker}",
                _heard_alone(samples, own),
                sum(end - start for start, end in own),
                _Turns(sorted(own), sorted(others)),
            )


def dictation(manifest: Path) -> Iterator[Spoken]:
    """Recordings of one person whose text has marks."""
    for row in _rows(manifest):
        if row.get("text"):
            samples = read_samples(manifest.parent / row["path"])
            yield Spoken(
                "dictation",
                row["path"],
                np.concatenate([samples, _silence(TAIL_S)]),
                seconds_from_samples(len(samples)),
                _Text(row["text"]),
            )


def read_sentences(
    data: Path, set_name: str, seconds: float, rng: random.Random, *, drawn_out: bool
) -> Iterator[Spoken]:
    """Sentences of `asr/SET` with silence between, as marked in `asr/librispeech_prosody`.

    Args:
        drawn_out: half of the pauses inside are made longer, so that their length does not tell.
    """
    folder = data / "asr" / set_name
    paths = {row["id"]: folder / row["path"] for row in _rows(folder / "manifest.jsonl")}
    marked = _rows(data / "asr" / "librispeech_prosody" / "prosody.jsonl")
    texts = {row["id"]: row["text"] for row in marked if row["set"] == set_name}
    known = sorted(set(texts) & set(paths))
    by_speaker = [
        [one for one in known if one.startswith(f"{speaker}-")]
        for speaker in sorted({one.split("-")[0] for one in known})
    ]
    # One recording of every speaker, then another of each.
    rounds = (
        some[at : at + _JOINED]
        for at in range(0, len(known), _JOINED)
        for some in by_speaker
        if at < len(some)
    )
    for chosen in rounds:
        if seconds <= 0:
            return
        clips = [read_samples(paths[one]) for one in chosen]
        if drawn_out:
            clips = [_drawn_out(clip, rng) for clip in clips]
        speech_s = sum(seconds_from_samples(len(clip)) for clip in clips)
        seconds -= speech_s
        joined = np.concatenate([part for clip in clips for part in (clip, _silence(_BETWEEN_S))])
        text = " ".join(texts[one] for one in chosen)
        yield Spoken("read", chosen[0], joined, speech_s, _Text(text))


def _heard_alone(samples: Floats, turns: Sequence[tuple[float, float]]) -> Floats:
    alone = np.zeros(len(samples) + round(TAIL_S * SAMPLE_RATE), np.float32)
    for start, end in turns:
        begin = max(0, round((start - _BEFORE_S) * SAMPLE_RATE))
        stop = min(len(samples), round((end + _BEHIND_S) * SAMPLE_RATE))
        alone[begin:stop] = samples[begin:stop]
    return alone


def _drawn_out(clip: Floats, rng: random.Random) -> Floats:
    frames = clip[: len(clip) // _PAUSE_FRAME * _PAUSE_FRAME].reshape(-1, _PAUSE_FRAME)
    quiet = np.sqrt((frames**2).mean(axis=1)) < _QUIET * np.sqrt((clip**2).mean())
    parts, done, run = [], 0, 0
    for at, silent in enumerate(quiet):
        run = run + 1 if silent else 0
        if run == 8 and done < at * _PAUSE_FRAME and rng.random() < 0.5:
            parts += [clip[done : at * _PAUSE_FRAME], _silence(rng.uniform(*_DRAWN_OUT_MS) / 1000)]
            done = at * _PAUSE_FRAME
    return np.concatenate([*parts, clip[done:]])


def _silence(seconds: float) -> Floats:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
