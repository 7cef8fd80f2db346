"""What is heard to choose how turns end, and what to judge that.

Speech for choosing: readers of LibriSpeech dev-clean, their pauses drawn out, and AMI's meetings
EN2001 to EN2005. For judging, other speakers and other kinds: AMI's EN2006 and ES2003, dictation,
telephone calls, readers of test-clean.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.turns.recordings import Spoken, conversations, dictation, read_sentences

_CHOOSING: Final = ("EN2001", "EN2003", "EN2004", "EN2005")
_JUDGING: Final = ("EN2006", "ES2003")


def for_choosing(data: Path, read_s: float, seed: int) -> Iterator[Spoken]:
    """`read_s`: seconds of reading."""
    meetings = data / "meetings" / "ami_meetings" / "manifest.jsonl"
    yield from conversations(meetings, "meetings", _CHOOSING)
    rng = random.Random(seed)
    yield from read_sentences(data, "librispeech_dev_clean_mp3", read_s, rng, drawn_out=True)


def for_judging(data: Path, read_s: float, seed: int) -> Iterator[Spoken]:
    """`read_s`: seconds of reading."""
    meetings = data / "meetings"
    yield from conversations(meetings / "ami_meetings" / "manifest.jsonl", "meetings", _JUDGING)
    yield from conversations(meetings / "spokenwoz_calls" / "manifest.jsonl", "calls")
    yield from dictation(data / "asr" / "dictation_irish" / "manifest.jsonl")
    rng = random.Random(seed)
    yield from read_sentences(data, "librispeech_test_clean_opus", read_s, rng, drawn_out=False)
