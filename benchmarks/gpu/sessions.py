"""Sessions as the benchmark drives them: the models' steps, without what Python decides between.

Each hears a recording in steps of 256 ms: the detector's frames, the encoder's newest sound, a
draft that trusts the last one, and every third step an emotion. Words older than a second and a
half are committed; the window is cut at ten seconds. What decides about words in a real session
(see `streamer.decoding.streaming_decoder`) is left out, and so is its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from streamer.audio.arrays import Floats
from streamer.decoding.draft import Draft, DraftRequest, Prefix, draft_together
from streamer.models.card.device import Card, Queue
from streamer.models.card.emotion import CardEmotion
from streamer.models.card.encoding import SlotAudio
from streamer.models.card.loading import CardModels, load_card_models
from streamer.models.card.vad import VadRequest
from streamer.models.errors import NoRoomError
from streamer.models.moonshine.contract import EncodeRequest
from streamer.models.moonshine.encoder import EncoderStream
from streamer.models.moonshine.tokenizer import FRAME_SAMPLES, Tokenizer
from streamer.models.moonshine.weights import read_shipped
from streamer.models.silero import FRAME_SAMPLES as VAD_SAMPLES
from streamer.models.silero import STATE_SIZE

HOP: Final = 4_096
"""256 ms, as `RecognizerOptions.hop_ms`."""
SILENCE: Final = 2_560
AFRESH_STEPS: Final = 4
EMOTION_STEPS: Final = 3
EMOTION_SAMPLES: Final = 48_000
MAX_WINDOW: Final = 160_000
KEPT_WINDOW: Final = 64_000
COMMITTED_FRAMES: Final = 62
"""Words that end so far behind the newest sound stand: a second and a half."""
WEIGHTS: Final = Path(__file__).resolve().parents[2] / "models" / "weights"

Codes = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Models:
    """On one card."""

    card: Card
    speech: CardModels
    emotion: CardEmotion
    emotion_queue: Queue
    tokenizer: Tokenizer


def load_models(folder: Path, device: str, *, n_sessions: int) -> Models:
    """
    Args:
        folder: as `benchmarks.gpu.pack` makes it.
    """
    card = Card(device)
    queue = card.queue("emotion")
    return Models(
        card,
        load_card_models(
            read_shipped(folder / "encoder_model.ort", folder / "decoder_model_merged.ort"),
            WEIGHTS / "silero_vad_16k_sequence.onnx",
            card,
            n_sessions=n_sessions,
        ),
        CardEmotion(WEIGHTS / "emotion.onnx", card, queue),
        queue,
        Tokenizer.read(folder / "tokenizer.bin"),
    )


class Session:
    """One recording, again and again from sample `start` on."""

    def __init__(self, twice: Floats, start: int = 0, steps: int = 0) -> None:
        """
        Args:
            twice: the recording, and once more, so that what wraps around is there in one piece.
            steps: begin as if so many were behind it, so that not all encode afresh at once.
        """
        self._twice = twice
        self._at = start
        self._stream = EncoderStream()
        self._window = 0
        """Samples in it."""
        self._steps = steps
        self._prefix = Prefix()
        self._guess: tuple[int, ...] = ()
        self._h, self._c = np.zeros((2, 1, 1, STATE_SIZE), np.float32)

    @property
    def wants_emotion(self) -> bool:
        return self._steps % EMOTION_STEPS == 0 and self._window >= EMOTION_SAMPLES // 3

    def _newest(self, n_samples: int) -> Floats:
        start = (self._at - n_samples) % (len(self._twice) // 2)
        return self._twice[start : start + n_samples]

    def advance(self) -> VadRequest:
        """Hear the next step's sound."""
        self._at += HOP
        self._steps += 1
        frames = self._newest(HOP + 64)
        cut = np.lib.stride_tricks.sliding_window_view(frames, 64 + VAD_SAMPLES)[::VAD_SAMPLES]
        return VadRequest(np.ascontiguousarray(cut), self._h, self._c)

    def keep(self, h: Floats, c: Floats) -> None:
        """The detector's state."""
        self._h, self._c = h, c

    def encode(self) -> EncodeRequest:
        forgotten = 0
        self._window += HOP
        if self._window > MAX_WINDOW:
            forgotten = (self._window - KEPT_WINDOW) // FRAME_SAMPLES
            self._window -= forgotten * FRAME_SAMPLES
            self._prefix, self._guess = Prefix(), ()
        afresh = self._steps % AFRESH_STEPS == 0
        if afresh:
            self._prefix = Prefix(self._prefix.ids)
        sound = self._newest(HOP)
        return EncodeRequest(self._stream, forgotten, sound, self._window, SILENCE, afresh)

    def draft(self, audio: SlotAudio) -> DraftRequest:
        budget = 8 + audio.n_frames // 6
        return DraftRequest(audio, self._prefix, self._guess, budget)

    def take(self, audio: SlotAudio, draft: Draft) -> None:
        stands = [t.id for t in draft.tokens if t.frame < audio.n_frames - COMMITTED_FRAMES]
        # The last may be half a word.
        stands = stands[:-1]
        self._prefix = self._prefix.followed_by(stands, draft.seen)
        self._guess = tuple(token.id for token in draft.tokens[len(stands) :])

    def emotion(self) -> Floats:
        return self._newest(min(self._window, EMOTION_SAMPLES))


def step_together(models: Models, sessions: Sequence[Session]) -> None:
    """A step of all, emotion left out."""
    speech = models.speech
    requests = [session.advance() for session in sessions]
    for session, heard in zip(sessions, speech.vad.run_together(requests), strict=True):
        if isinstance(heard, NoRoomError):
            raise heard
        session.keep(*heard[1:])
    audios = speech.encoder.encode([session.encode() for session in sessions])
    encoded = [
        (session, audio)
        for session, audio in zip(sessions, audios, strict=True)
        if isinstance(audio, SlotAudio)
    ]
    drafts = draft_together(speech.decoder, [session.draft(audio) for session, audio in encoded])
    for (session, audio), draft in zip(encoded, drafts, strict=True):
        session.take(audio, draft)


def hear_all(models: Models, recordings: Sequence[Codes]) -> list[str]:
    """The words of each, heard as a whole, all together."""
    requests = [
        EncodeRequest(EncoderStream(), 0, sound, len(sound), 0, afresh=True)
        for sound in (codes.astype(np.float32) / np.float32(32_767) for codes in recordings)
    ]
    audios = models.speech.encoder.encode(requests)
    wanted = [
        DraftRequest(audio, Prefix(), (), 160) for audio in audios if isinstance(audio, SlotAudio)
    ]
    drafts = draft_together(models.speech.decoder, wanted)
    return [models.tokenizer.decode([token.id for token in draft.tokens]) for draft in drafts]
