"""What speech models of the transformers library have in common, whatever their kind.

`seq2seq` and `speech_llm` are the kinds, `prefix_decoder` decodes with either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import torch

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.models.moonshine.encoder import EncodedAudio
from streamer.models.moonshine.tokenizer import Tokenizer

MIN_SAMPLES: Final = 1_600
"""Less sound is not worth a pass."""
_CONTROL: Final = re.compile(r"[<>|\[\]]+")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What stands before the transcript, as far as a kind of model has a prompt."""

    context: str = ""
    """Names and terms, what it is about."""
    said: str = ""
    """The newest words before the window."""
    emotion: str = ""
    """In the voice; empty if unknown."""

    @property
    def instruction(self) -> str:
        """For models that take instructions; empty if nothing is known."""
        parts = [
            plain(self.context),
            f"Said before: {plain(self.said)}" if self.said else "",
            f"The speaker sounds {self.emotion}." if self.emotion else "",
        ]
        return "\n".join(part for part in parts if part)

    @property
    def transcript(self) -> str:
        """For models that only know transcripts."""
        direction = f"({self.emotion})" if self.emotion else ""
        return " ".join(part for part in (plain(self.context), plain(self.said), direction) if part)


def plain(text: str) -> str:
    """Without the brackets that control tokens are written in: a client's text is not to be
    taken for the prompt's own."""
    return _CONTROL.sub(" ", text).strip()


@dataclass(frozen=True)
class WindowAudio(EncodedAudio):
    """A whole window, encoded at once; `cross_kv` is empty."""

    n_samples: int
    """Of sound; silence may have been put behind it."""
    state_samples: float
    """Samples that one state stands for."""


def window_audio(states: torch.Tensor, n_samples: int, state_samples: float) -> WindowAudio:
    """From the encoder's output `[S, D]`."""
    array = states.float().cpu().numpy()
    nothing = np.zeros((0, 0, len(array), 0), np.float32)
    return WindowAudio(array, nothing, n_samples, state_samples)


@dataclass(frozen=True, slots=True)
class Passed:
    """What a pass says about the last L tokens of B rows: `logits [B, L, V]`, and `attention
    [B, L, S]` to the sound, of kinds whose attention follows it."""

    logits: torch.Tensor
    attention: torch.Tensor | None


class Decoding(Protocol):
    """One window's decoding on its way: rows of tokens behind the same opening, in a cache."""

    def feed(self, rows: Sequence[Sequence[int]], n_scored: int) -> Passed:
        """Append equally many tokens (maybe none at first) to each row; score the last."""

    def drop(self, n_tokens: int) -> None:
        """Forget the newest tokens."""

    def select(self, rows: Sequence[int]) -> None:
        """Go on with copies of these rows."""


class CachedDecoding:
    """What decodings share: the model's decoder and head, and a cache of what went through."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._decoder: Any = loaded.model.get_decoder()
        self._head: Any = loaded.model.get_output_embeddings()
        self._cache: Any = None

    def drop(self, n_tokens: int) -> None:
        """See `Decoding`."""
        if n_tokens:
            self._cache.crop(-n_tokens)

    def select(self, rows: Sequence[int]) -> None:
        """See `Decoding`."""
        self._cache.batch_select_indices(torch.tensor(rows, device=self._loaded.device))


class SpeechKind(Protocol):
    """How a kind of model is fed."""

    def encode(self, sound: Floats, n_samples: int) -> WindowAudio:
        """Encode `sound [N]`, whose first `n_samples` are not just silence put behind."""

    def begin(self, audio: WindowAudio, prompt: Prompt) -> Decoding:
        """A decoding of one row that has said nothing yet."""


@dataclass(frozen=True, slots=True)
class FoundToken:
    """A token, its log-probability (nats), and where its sound is: a frame of `FRAME_SAMPLES`."""

    id: int
    logprob: float
    frame: int


@dataclass(frozen=True, slots=True)
class Continuation:
    """What follows the given tokens. `ended`: the model closed the sentence itself; then
    `logprob`, the sum over the tokens, counts the end too."""

    tokens: tuple[FoundToken, ...]
    ended: bool
    logprob: float


class SpeechModel(Protocol):
    """A speech model chosen by name. Stateless: each call holds all that it needs."""

    name: str
    tokenizer: Tokenizer

    def encode(self, sound: Floats, n_samples: int) -> WindowAudio:
        """Encode a window: `sound [N]` at 16 kHz, of which what lies behind `n_samples` is silence
        that was put there."""

    def draft(
        self,
        audio: WindowAudio,
        prompt: Prompt,
        given: Sequence[int],
        guess: Sequence[int],
        max_tokens: int,
    ) -> Continuation:
        """Decode greedily behind the `given` tokens, trusting as much of the `guess` as holds."""

    def beam_search(
        self,
        audio: WindowAudio,
        prompt: Prompt,
        given: Sequence[int],
        width: int,
        max_tokens: int,
    ) -> list[Continuation]:
        """Likely continuations of the `given` tokens that end, best first by mean
        log-probability; empty if the model knows no others."""

    def score(
        self,
        audio: WindowAudio,
        prompt: Prompt,
        given: Sequence[int],
        proposals: Sequence[Sequence[int]],
    ) -> list[Continuation]:
        """What the model thinks of the proposals (without their end) behind the `given` tokens;
        empty if it cannot say."""


@dataclass(frozen=True)
class Loaded:
    """A model and what belongs to it, as the transformers library loads them."""

    model: Any
    extractor: Any
    tokenizer: Any

    @property
    def device(self) -> torch.device:
        device: torch.device = self.model.device
        return device

    def features(self, samples: Floats, **options: Any) -> dict[str, torch.Tensor]:
        """What the extractor makes of `samples [N]`, on the model's device and in its dtype."""
        made = self.extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt", **options)
        return {name: self.place(values) for name, values in made.items()}

    def place(self, values: torch.Tensor | Floats) -> torch.Tensor:
        """A copy for the model."""
        tensor = torch.tensor(values) if isinstance(values, np.ndarray) else values
        dtype = self.model.dtype if tensor.is_floating_point() else tensor.dtype
        return tensor.to(self.device, dtype)
