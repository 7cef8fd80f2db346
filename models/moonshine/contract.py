"""What decoding asks of the speech model, whatever computes it.

`decoder` and `encoder` answer with ONNX Runtime, `streamer.models.card` with PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from streamer.audio.arrays import Floats

Ints = npt.NDArray[np.int64]


class Audio(Protocol):
    """Encoded sound, ready to be attended to."""

    @property
    def n_frames(self) -> int: ...

    @property
    def states(self) -> Floats:
        """The encoder's output, `[S, D]`."""


class AudioStream:
    """What an encoder remembers of an utterance; no other encoder can go on from it."""

    def __init__(self) -> None:
        self.waiting = np.zeros(0, np.float32)
        """Samples that the encoder has not made anything of yet."""


@dataclass(frozen=True, eq=False)
class EncodeRequest:
    """Old frames to forget, new samples to take, and what to encode then; see `AudioEncoder`."""

    stream: AudioStream
    n_forgotten: int
    samples: Floats
    n_samples: int
    n_silent: int
    afresh: bool


Stream = TypeVar("Stream", bound=AudioStream)


class AudioEncoder(Protocol[Stream]):
    """Raw 16 kHz samples to what the decoder attends to, as they come."""

    @property
    def frame_samples(self) -> int:
        """Samples that one of its states stands for."""

    def open_stream(self) -> Stream:
        """Of an utterance of which nothing has been heard."""

    def listen(self, stream: Stream, samples: Floats) -> None:
        """Take the `samples [N]` that follow."""

    def audio(
        self,
        stream: Stream,
        n_samples: int | None = None,
        *,
        n_silent: int = 0,
        afresh: bool = False,
    ) -> Audio | None:
        """Encode what the stream has heard since its first kept frame; None if that is less than
        a frame.

        Args:
            n_samples: leave out what lies behind this many samples of the kept sound.
            n_silent: put so many samples of silence behind it, this time.
            afresh: compute all frames again, as far as the encoder keeps what more sound changes.
        """

    def forget(self, stream: Stream, n_frames: int) -> None:
        """Drop the oldest kept frames; frame `n_frames` becomes frame 0."""


class TokenCache(Protocol):
    """What a decoder remembers of tokens that went through it."""

    @property
    def n_tokens(self) -> int: ...

    def first(self, n_tokens: int) -> TokenCache:
        """That of the first tokens alone."""


class AudioRows(Protocol):
    """The audio of each row of a pass, or the one of all rows."""

    def rows(self, indices: Sequence[int]) -> AudioRows:
        """Some of the rows."""


@dataclass(frozen=True)
class RowOutput:
    """What a pass says about the last L tokens of a row.

    `tokens`, `logprobs [L, K]`: the K most likely tokens to follow each, best first (nats), or the
    one that was asked for;
    `frames [L]`: where in the audio each attends to most; `cache` that of all T tokens, behind the
    old.
    """

    tokens: Ints
    logprobs: Floats
    frames: Ints
    cache: TokenCache


class TokenDecoder(Protocol):
    """An autoregressive decoder: any number of tokens of any number of rows at once."""

    def together(self, audios: Sequence[Audio]) -> AudioRows:
        """One row for each, that goes on behind its newest cache: older ones are spent."""

    def alone(self, audio: Audio) -> AudioRows:
        """One audio for the rows of all hypotheses, none of which spends a cache."""

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
        """Feed each row's tokens (at least one) behind its cache.

        Args:
            n_scored: L, how many of the last tokens to score; rows with fewer have padding first.
            n_best: K.
            targets: for each row, what is to follow its last tokens, up to L of them: to be
                scored in place of the best.
        """
