"""A second listener that hears words where a script has them: sound tells its own place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.models.whisper.contract import Hearing, Hypothesis, ListenRequest, TimedWord

NO_STATES = np.zeros(0, np.float32)


@dataclass(frozen=True)
class Spoken:
    text: str
    start_s: float
    end_s: float


def spoken(texts: Sequence[str], each_s: float = 0.5, start_s: float = 0.0) -> list[Spoken]:
    """Words without pauses."""
    starts = [start_s + each_s * at for at in range(len(texts))]
    return [Spoken(text, at, at + each_s) for text, at in zip(texts, starts, strict=True)]


def sound(start: int, end: int) -> Floats:
    """Of a session: each sample is its own number. Exact up to 2^24, a quarter of an hour."""
    return np.arange(start, end, dtype=np.float32)


class ScriptedEar:
    """An `Ear`. A word that the sound cuts off is heard wrongly, as its first letter. It hears
    German as German, and each other language in capitals."""

    def __init__(self, script: Sequence[Spoken], space: str = " ") -> None:
        self.script = list(script)
        self.space = space
        self.n_heard = 0
        self.longest = 0
        self.said: list[str] = []
        self.beams: list[int] = []
        self.named = [("de", 1.0)]
        """What it takes the language for."""
        self.n_named = 0
        self.no_speech = 0.0
        self.logprob = -0.1
        """Of a token."""

    def hear(self, samples: Floats, language: str, said: str, beam_width: int) -> Hearing:
        self.n_heard += 1
        self.longest = max(self.longest, len(samples))
        self.said.append(said)
        self.beams.append(beam_width)
        request = ListenRequest(samples, language, said, beam_width=max(1, beam_width))
        words = self._words(request)
        text = self.space.join(word.text for word in words)
        tokens = tuple(range(len(words)))
        hypothesis = Hypothesis(text, self.logprob * (len(words) + 1), tokens)
        return Hearing(request, (hypothesis,), self.no_speech, NO_STATES)

    def times(self, hearing: Hearing, text: str) -> list[TimedWord]:
        start_s = _start_s(hearing.request)
        return [
            TimedWord(word.text, word.start_s - start_s, word.end_s - start_s, 0.9)
            for word in self._words(hearing.request)
        ]

    def language(self, samples: Floats) -> list[tuple[str, float]]:
        self.n_named += 1
        return self.named

    def _words(self, request: ListenRequest) -> list[Spoken]:
        start_s = _start_s(request)
        end_s = start_s + len(request.samples) / SAMPLE_RATE
        inside = [w for w in self.script if w.start_s >= start_s - 0.1 and w.start_s < end_s]
        said = request.said
        for word in list(inside):
            if said and said.lower().startswith(word.text.lower()):
                said = said[len(word.text) :].strip()
                inside.remove(word)
        heard = [
            word if word.end_s <= end_s else Spoken(word.text[:1], word.start_s, end_s)
            for word in inside
        ]
        if request.language == "de":
            return heard
        return [Spoken(word.text.upper(), word.start_s, word.end_s) for word in heard]


def _start_s(request: ListenRequest) -> float:
    return float(request.samples[0]) / SAMPLE_RATE if len(request.samples) else 0.0
