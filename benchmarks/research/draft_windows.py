"""Lessons for `streamer.models.train.draft`: windows of recordings that end anywhere, and what the
draft decoder is to say of them.

    python -m benchmarks.research.draft_windows --data ../shared/data --cache windows

The teacher is the decoder itself on the whole recording: no transcripts are needed. Of a window it
gives the words that ended before the cut, with its own doubts (the likeliest tokens at each place),
and then the end of the sentence. A word that the cut halves is left out, and so are windows whose
cut falls where nobody can tell whether a word is over. Speakers are dealt into folds by their name.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.progress import track

from benchmarks.common import load_clips
from benchmarks.quality.offline import encode_whole, token_budget
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.decoding.draft import DraftRequest, Prefix
from streamer.decoding.loading import load_speech
from streamer.decoding.speech import SpeechModels
from streamer.decoding.words import RecognizedWord, timed_words
from streamer.models.moonshine.decoder import NO_CACHE
from streamer.models.moonshine.tokenizer import BOS, EOS, FRAME_SAMPLES
from streamer.models.store.catalog import MOONSHINE
from streamer.models.store.zoo import Zoo
from streamer.models.train.draft.windows import IGNORED, N_BEST, Window, write_shard

_ENDED_S: Final = 0.06
"""A word is over so long before its end as the recognizer tells it, which is late."""
_MARKS_S: Final = 0.32
"""With so much behind its end, a pause can be heard, and a mark may stand."""
SETS: Final = {
    "asr/librispeech_dev_clean_mp3": 10,
    "asr/speechocean762_train": 3,
    "emotion/crema_d": 1,
}
"""Windows of each recording."""
N_FOLDS: Final = 5
DEV_FOLD: Final = 0
SHARD: Final = 256


def fold_of(speaker: str) -> int:
    """0 … N_FOLDS - 1; the same for all recordings of a speaker."""
    return zlib.crc32(speaker.encode()) % N_FOLDS


@dataclass(frozen=True)
class WindowConfig:
    """How windows are cut."""

    whole: float = 0.5
    """Share of windows that end with the recording: nothing is to be forgotten."""
    from_start: float = 0.6
    """Share of windows that begin with the recording; others begin at a word."""
    longest_s: float = 10.5
    shortest_s: float = 0.5
    silence_s: tuple[float, ...] = (0.16, 0.16, 0.16, 0.16, 0.0)
    """One of these is put behind a cut, as streaming does at its steps."""
    end_silence_s: tuple[float, ...] = (0.0, 0.0, 0.16, 0.32)
    """And behind the end of a recording."""
    speed: float = 0.1
    noise: float = 0.3
    """Share of recordings with noise in them."""
    snr_db: tuple[float, float] = (8.0, 30.0)
    gain_db: tuple[float, float] = (-20.0, 3.0)


@dataclass(frozen=True, eq=False)
class _Heard:
    """What the teacher says of a whole recording."""

    words: list[RecognizedWord]
    firsts: list[int]
    """Index of the first token of each word, and behind the last."""
    tokens: list[int]
    best: npt.NDArray[np.int64]
    shares: Floats


@dataclass(frozen=True, eq=False)
class Cut:
    """A window of a recording before it is encoded: `samples`, with the silence that is put behind
    it; the rest is that of `Window`."""

    samples: Floats
    silence: Floats
    tokens: npt.NDArray[np.int32]
    targets: npt.NDArray[np.int32]
    shares: npt.NDArray[np.float16]
    is_cut: bool


class Teacher:
    """The shipped models on whole recordings."""

    def __init__(self, models: SpeechModels, config: WindowConfig, seed: int) -> None:
        self._models, self._config = models, config
        self._rng = np.random.default_rng(seed)

    def windows(self, samples: Floats, count: int) -> Iterator[Window]:
        """As `cuts`, encoded."""
        for cut in self.cuts(samples, count):
            audio = encode_whole(self._models, np.concatenate([cut.samples, cut.silence]))
            assert audio is not None
            states = audio.states.astype(np.float16)
            yield Window(states, cut.tokens, cut.targets, cut.shares, is_cut=cut.is_cut)

    def cuts(self, samples: Floats, count: int) -> Iterator[Cut]:
        """Some windows of a recording, varied in speed, loudness and noise; fewer or none where
        little is said."""
        samples = self._varied(samples)
        heard = self._hear(samples)
        if heard is None:
            return
        for _ in range(4 * count):
            if count == 0:
                return
            cut = self._cut(samples, heard)
            if cut is not None:
                count -= 1
                yield cut

    def _varied(self, samples: Floats) -> Floats:
        config, rng = self._config, self._rng
        speed = 1 + rng.uniform(-config.speed, config.speed)
        at = np.arange(0, len(samples) - 1, speed)
        varied = np.interp(at, np.arange(len(samples)), samples)
        varied *= 10 ** (rng.uniform(*config.gain_db) / 20)
        if rng.random() < config.noise:
            level = np.sqrt(np.mean(varied**2)) * 10 ** (-rng.uniform(*config.snr_db) / 20)
            hertz = np.maximum(np.fft.rfftfreq(len(varied), 1 / SAMPLE_RATE), 20)
            spectrum = np.fft.rfft(rng.standard_normal(len(varied))) * hertz ** -rng.uniform(0, 1)
            noise = np.fft.irfft(spectrum, n=len(varied))
            varied += level * noise / np.sqrt(np.mean(noise**2))
        return np.asarray(varied, np.float32)

    def _hear(self, samples: Floats) -> _Heard | None:
        models = self._models
        audio = encode_whole(models, samples)
        if audio is None:
            return None
        draft = models.draft(DraftRequest(audio, Prefix(), (), token_budget(samples)))
        if not draft.ended or not draft.tokens:
            return None
        ids = [token.id for token in draft.tokens]
        (out,) = models.decoder.run(
            models.decoder.together([audio]),
            [[BOS, *ids]],
            [NO_CACHE],
            n_scored=len(ids) + 1,
            n_best=N_BEST,
        )
        words = timed_words(draft.tokens, models.tokenizer, 0, len(samples), 0)
        firsts = np.cumsum([0, *(len(word.tokens) for word in words)]).tolist()
        if firsts[-1] != len(ids):
            return None
        return _Heard(words, firsts, ids, out.tokens, np.exp(out.logprobs))

    def _cut(self, samples: Floats, heard: _Heard) -> Cut | None:
        config, rng, words = self._config, self._rng, heard.words
        longest, shortest = (int(s * SAMPLE_RATE) for s in (config.longest_s, config.shortest_s))
        is_whole = rng.random() < config.whole
        first = 0 if rng.random() < config.from_start else int(rng.integers(len(words)))
        start = 0
        if first:
            before, begun = words[first - 1].end_sample, words[first].start_sample
            start = (before + begun) // 2
        latest = min(len(samples), start + longest)
        if latest - start < shortest or (is_whole and latest < len(samples)):
            return None
        end = latest if is_whole else int(rng.integers(start + shortest, latest + 1))
        stop = len(words) if is_whole else self._n_ended(words, end)
        if stop is None or stop < first:
            return None
        lesson = self._lesson(heard, first, stop, end, is_whole=is_whole)
        silence_s = rng.choice(config.end_silence_s if is_whole else config.silence_s)
        silence = np.zeros(int(silence_s * SAMPLE_RATE), np.float32)
        return Cut(samples[start:end], silence, *lesson, is_cut=not is_whole)

    def _n_ended(self, words: Sequence[RecognizedWord], end: int) -> int | None:
        """How many words are over; None if that cannot be told."""
        for index, word in enumerate(words):
            last = max(token.frame for token in word.tokens) * FRAME_SAMPLES
            if end >= word.end_sample - _ENDED_S * SAMPLE_RATE:
                continue
            return index if end < last else None  # its last token may have been heard
        return len(words)

    def _lesson(
        self, heard: _Heard, first: int, stop: int, end: int, *, is_whole: bool
    ) -> tuple[Any, Any, Any]:
        tokenizer = self._models.tokenizer
        low, high = heard.firsts[first], heard.firsts[stop]
        if not is_whole and stop > first:
            pause_s = (end - heard.words[stop - 1].end_sample) / SAMPLE_RATE
            # A mark cannot be known yet.
            while pause_s < _MARKS_S and not tokenizer.is_spoken(heard.tokens[high - 1]):
                high -= 1
        tokens = np.array([BOS, *heard.tokens[low:high]], np.int32)
        targets = heard.best[low : high + 1].astype(np.int32)
        shares = heard.shares[low : high + 1].astype(np.float16)
        if not is_whole:
            targets[-1], shares[-1] = IGNORED, 0
            targets[-1, 0], shares[-1, 0] = EOS, 1
        if first:  # words before are always given
            known = min(heard.firsts[first + 1] if stop > first else low, high) - low
            targets[:known], shares[:known] = IGNORED, 0
        return tokens, targets, shares


def prepare(data: Path, work: Path, seed: int, share: float) -> None:
    """Writes `train-*.npz` and `dev-*.npz` into `work`, of this share of the recordings."""
    work.mkdir(parents=True, exist_ok=True)
    models = load_speech(MOONSHINE.name, Zoo(), threads=1)
    if not isinstance(models, SpeechModels):
        raise TypeError("the draft decoder is the project's own")
    clips = [(clip, count) for name, count in SETS.items() for clip in load_clips(name, data)]
    random.Random(seed).shuffle(clips)
    clips = clips[: round(share * len(clips))]
    waiting: dict[str, list[Window]] = {"train": [], "dev": []}
    made = dict.fromkeys(waiting, 0)

    def write(role: str) -> None:
        write_shard(waiting[role][:SHARD], work / f"{role}-{made[role]:03d}.npz")
        made[role], waiting[role] = made[role] + 1, waiting[role][SHARD:]

    for index, (clip, count) in enumerate(track(clips, "hearing", console=Console(stderr=True))):
        role = "dev" if fold_of(clip.speaker) == DEV_FOLD else "train"
        teacher = Teacher(models, WindowConfig(), seed + index)
        waiting[role] += teacher.windows(np.concatenate(clip.pieces()), count)
        while len(waiting[role]) >= SHARD:
            write(role)
    for role, rest in waiting.items():
        if rest:
            write(role)


def main(
    data: Annotated[Path, typer.Option(help="The folder of recordings.")],
    cache: Annotated[Path, typer.Option(help="Where the windows go.")],
    share: Annotated[float, typer.Option(min=0, max=1, help="Of the recordings.")] = 0.36,
    seed: Annotated[int, typer.Option(help="Draws recordings and cuts.")] = 0,
) -> None:
    prepare(data, cache, seed, share)


app = typer.Typer(add_completion=False)
app.command(help=__doc__)(main)

if __name__ == "__main__":
    app()
