"""A language of tones in place of speech: exact, instant, and cut off as badly as the real thing.

A word is 0.24 s at a constant level that spells its number; gaps are silent. The decoder gets
a word right once half of it lies in the window and guesses wildly before, as real ones do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

import numpy as np

from streamer.audio.arrays import Floats
from streamer.decoding.speech import SpeechModels
from streamer.models.fusion.score import Candidate, Terms
from streamer.models.moonshine.contract import Audio, AudioRows, RowOutput, TokenCache
from streamer.models.moonshine.decoder import ArrayCache, AudioBatch, together
from streamer.models.moonshine.encoder import MIN_SAMPLES, EncodedAudio, EncoderStream
from streamer.models.moonshine.tokenizer import BOS, EOS, FRAME_SAMPLES, WORD_MARK, Tokenizer
from streamer.models.whisper.contract import Hearing, Hypothesis, ListenRequest

Answer = TypeVar("Answer")

WORD_SAMPLES = 3_840
GAP_SAMPLES = 1_152
VOCABULARY = 100
FIRST_WORD, FIRST_GUESS = 3, 90
"""Words are 3 … 89; what the decoder makes of a word's first bit is 90 … 99."""


def spoken(words: Sequence[int]) -> Floats:
    """The sound of the words, each followed by a short gap."""
    said = [np.zeros(0, np.float32)]
    for word in words:
        assert FIRST_WORD <= word < FIRST_GUESS
        said += [np.full(WORD_SAMPLES, word / 100, np.float32), silence(GAP_SAMPLES)]
    return np.concatenate(said)


def silence(n_samples: int) -> Floats:
    return np.zeros(n_samples, np.float32)


def text(words: Sequence[int]) -> str:
    return " ".join(f"w{word}" for word in words)


class ToneTokenizer(Tokenizer):
    def __init__(self) -> None:
        super().__init__([f"{WORD_MARK}w{word}".encode() for word in range(VOCABULARY)])

    def starts_word(self, token: int) -> bool:
        return True

    def is_spoken(self, token: int) -> bool:
        return token >= FIRST_WORD

    def letters(self, token: int) -> bytes:
        return f" {token}".encode() if self.is_spoken(token) else b""

    def is_common(self, word: str) -> bool:
        return False

    def encode(self, text: str) -> list[int]:
        return [int(word[1:]) for word in text.split()]

    def decode(self, tokens: list[int]) -> str:
        return text([token for token in tokens if token >= FIRST_WORD])


class ToneEncoder:
    """Keeps all sound, whatever has settled."""

    frame_samples = FRAME_SAMPLES

    def __init__(self) -> None:
        self.longest = 0

    def open_stream(self) -> EncoderStream:
        return EncoderStream()

    def listen(self, stream: EncoderStream, samples: Floats) -> None:
        stream.waiting = np.concatenate([stream.waiting, samples])

    def forget(self, stream: EncoderStream, n_frames: int) -> None:
        stream.waiting = stream.waiting[n_frames * FRAME_SAMPLES :]

    def audio(
        self,
        stream: EncoderStream,
        n_samples: int | None = None,
        *,
        n_silent: int = 0,
        afresh: bool = False,
    ) -> EncodedAudio | None:
        self.longest = max(self.longest, len(stream.waiting))
        if n_samples is None:
            n_samples = len(stream.waiting)
        sound = np.append(stream.waiting[:n_samples], silence(n_silent))
        if n_samples < MIN_SAMPLES:
            return None
        return EncodedAudio(sound[::FRAME_SAMPLES, None], sound[None, None, :, None])


@dataclass
class ToneDecoder:
    """`rivals[word]` are other words that sound like it, with their logits; the word itself has
    logit 10 and all else 0."""

    rivals: Mapping[int, Mapping[int, float]] = field(default_factory=dict)
    loops_on: int | None = None
    """After this word the decoder repeats it for ever."""

    def words_in(self, sound: Floats) -> list[tuple[int, int]]:
        """The words in the window and the frames in their middles."""
        levels = np.rint(sound * 100).astype(int)
        edges = [0, *(np.flatnonzero(np.diff(levels)) + 1).tolist(), len(levels)]
        found = []
        for start, end in pairwise(edges):
            word = int(levels[start]) if end > start else 0
            if word == 0:
                continue
            if 2 * (end - start) < WORD_SAMPLES:
                word = FIRST_GUESS + (end - start) // 100 % 10
            found.append((word, (start + end) // 2 // FRAME_SAMPLES))
        return found

    def together(self, audios: Sequence[Audio]) -> AudioBatch:
        return together([encoded(audio) for audio in audios])

    def alone(self, audio: Audio) -> AudioBatch:
        return self.together([audio])

    def run(
        self,
        audio: AudioRows,
        tokens: Sequence[Sequence[int]],
        caches: Sequence[TokenCache],
        *,
        n_scored: int = 1,
        n_best: int = 1,
        targets: Sequence[Sequence[int]] | None = None,
    ) -> list[RowOutput]:
        """The cache of a token is its number."""
        assert isinstance(audio, AudioBatch)
        n_rows = audio.cross_kv.shape[1]
        present = [self.words_in(audio.cross_kv[0, row, 0, :, 0]) for row in range(n_rows)]
        asked = targets if targets is not None else [None] * len(tokens)
        return [
            self._run(present[row % n_rows], tokens[row], caches[row], n_scored, n_best, asked[row])
            for row in range(len(tokens))
        ]

    def _run(
        self,
        present: list[tuple[int, int]],
        tokens: Sequence[int],
        cache: TokenCache,
        n_scored: int,
        n_best: int,
        asked: Sequence[int] | None,
    ) -> RowOutput:
        assert isinstance(cache, ArrayCache)
        n_past = cache.n_tokens
        old = cache.values
        fed = np.zeros((*old.shape[:2], len(tokens), old.shape[3]), np.float32)
        fed += np.array(tokens, np.float32)[:, None]
        grown = np.concatenate([old, fed], axis=2)
        said = [int(token) for token in grown[0, 0, :, 0] if token != BOS]
        n_frames = max((frame for _, frame in present), default=0) + 1
        logits = np.zeros((len(tokens), VOCABULARY), np.float32)
        logits[:, EOS] = -20.0
        frames = np.zeros(len(tokens), np.int64)
        for i in range(len(tokens)):
            position = n_past + i
            word, frame = present[position] if position < len(present) else (EOS, n_frames - 1)
            if self.loops_on is not None and self.loops_on in said[:position]:
                word = self.loops_on
                logits[i, EOS] = -100.0
            logits[i, word] = 10.0
            for rival, logit in self.rivals.get(word, {}).items():
                logits[i, rival] = logit
            frames[i] = frame
        logprobs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        best = np.argsort(-logprobs, axis=1, kind="stable")[:, :n_best]
        if asked is not None:
            best = np.zeros((len(tokens), 1), np.int64)
            best[len(tokens) - len(asked) :, 0] = asked
        return RowOutput(
            best[-n_scored:],
            np.take_along_axis(logprobs, best, axis=1)[-n_scored:],
            frames[-n_scored:],
            ArrayCache(grown),
        )


def encoded(audio: Audio) -> EncodedAudio:
    assert isinstance(audio, EncodedAudio)
    return audio


class LevelVad:
    """Anything but silence is speech."""

    def run(self, frames: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats, Floats]:
        return (np.abs(frames[:, 64:]).max(axis=1) > 0.01).astype(np.float32), h, c


class PreferringFusion:
    """An LLM that would say one word wherever it can. Keeps what it was asked, and the text."""

    def __init__(self, favourite: str) -> None:
        self.favourite = favourite
        self.asked: list[list[str]] = []
        self.appended: list[str] = []
        self.over = 0.0
        """Log-odds that any sentence is over."""
        self.open_texts: list[str] = []
        self.prompts: list[str] = []

    def terms(self, candidates: Sequence[Candidate]) -> list[Terms]:
        self.asked.append([candidate.text for candidate in candidates])
        return [
            Terms(
                audio=candidate.logprob,
                text=100.0 * candidate.text.split().count(self.favourite),
                length=0.0,
                hot_words=10.0 * candidate.hot_words,
                second=candidate.second,
            )
            for candidate in candidates
        ]

    def append(self, text: str) -> None:
        if text:
            self.appended.append(text)

    def sentence_over(self, open_text: str) -> float:
        self.open_texts.append(open_text)
        return self.over

    def expect(self, prompt: str) -> None:
        self.prompts.append(prompt)


class PerceivingFusion(PreferringFusion):
    """An LLM that prefers nothing. Keeps what it gets beside the text."""

    def __init__(self) -> None:
        super().__init__("")
        self.features: dict[str, Floats] = {}
        self.emotions: list[str] = []

    def set_features(self, modality: str, features: Floats) -> None:
        self.features[modality] = features

    def set_emotion(self, label: str) -> None:
        self.emotions.append(label)


def tone_models(
    decoder: ToneDecoder | None = None, encoder: ToneEncoder | None = None
) -> SpeechModels:
    """Models that understand `spoken`."""
    return SpeechModels(
        encoder=encoder or ToneEncoder(),
        decoder=decoder or ToneDecoder(),
        tokenizer=ToneTokenizer(),
        vad=LevelVad(),
    )


class ToneListener:
    """Hears what it is told to, and finds each other word a nat less likely, or more by `nats`."""

    def __init__(self, heard: Sequence[str], nats: Mapping[str, float] | None = None) -> None:
        self.heard = heard
        self.nats = nats or {}
        self.said: list[str] = []
        self.longest = 0

    def hear(self, samples: Floats, said: str) -> Hearing:
        self.said.append(said)
        self.longest = max(self.longest, len(samples))
        texts = [text.removeprefix(said).strip() for text in self.heard]
        found = tuple(Hypothesis(text, self._logprob(text), ()) for text in texts)
        return Hearing(ListenRequest(samples, "en", said), found, 0.0, np.zeros(0, np.float32))

    def score(self, hearing: Hearing, texts: Sequence[str]) -> list[float]:
        return [self._logprob(text) for text in texts]

    def beside(self, job: Callable[[], Answer]) -> Future[Answer]:
        done: Future[Answer] = Future()
        done.set_result(job())
        return done

    def _logprob(self, text: str) -> float:
        return sum(self.nats.get(word, -1.0) for word in text.split())
