"""Moonshine's encoder as a stream: what is old is kept, only the newest is computed again.

The encoder is not causal: every frame looks at all others. But what a frame becomes changes
little once it has heard some seconds of what follows. Such frames are settled: their keys and
values stay, and the newer frames attend to them. The convolutions are computed once for
every sample; the group norm behind the first of them is kept as running sums. An encoding
`afresh` settles nothing beforehand and gives what the whole window at once gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from streamer.audio.arrays import Floats
from streamer.models.moonshine.config import TINY, MoonshineConfig, Stack, cache_names
from streamer.models.moonshine.contract import AudioStream
from streamer.models.moonshine.tokenizer import ENCODE_FILE, FRAME_SAMPLES, STEM_FILE
from streamer.models.onnx.runtime import open_session

Doubles = npt.NDArray[np.float64]

BAND_SAMPLES: Final = 192
"""Stride of the second convolution's outputs, the bands; two of them make a frame's stride."""
BAND_REACH_SAMPLES: Final = 511
"""Samples that one band hears."""
BANDS_PER_FRAME: Final = 2
FRAME_REACH_BANDS: Final = 3
FIRST_PER_BAND: Final = 3
"""Outputs of the first convolution for each band; a band overlaps the next one's by 4."""
FIRST_OVERLAP: Final = 4
NORM_EPSILON: Final = 1e-5
SETTLED_MS: Final = 2_000
"""A frame with this much sound behind it is settled."""
MIN_SAMPLES: Final = BAND_REACH_SAMPLES + (FRAME_REACH_BANDS - 1) * BAND_SAMPLES
"""Less sound does not make a frame."""


@dataclass(frozen=True)
class EncodedAudio:
    """A `streamer.models.moonshine.contract.Audio` in arrays.

    `states [S, D]`: the encoder's output; `cross_kv [2 * layers, H, S, D]`: the keys and
    values that the decoder's layers make of it, in turn.
    """

    states: Floats
    cross_kv: Floats

    @property
    def n_frames(self) -> int:
        return len(self.states)

    def part(self, start: int, end: int) -> EncodedAudio:
        """The frames `start … end`."""
        return EncodedAudio(self.states[start:end], self.cross_kv[:, :, start:end])

    def followed_by(self, more: EncodedAudio) -> EncodedAudio:
        return EncodedAudio(
            np.concatenate([self.states, more.states]),
            np.concatenate([self.cross_kv, more.cross_kv], axis=2),
        )


class EncoderStream(AudioStream):
    """The state of one utterance; fed and read through `AsrEncoder`. The next band begins with the
    samples that wait."""

    def __init__(self, config: MoonshineConfig = TINY) -> None:
        super().__init__()
        encoder = config.encoder
        self.bands = np.zeros((2 * encoder.d_model, 0), np.float32)
        """Of the kept frames, unnormalized."""
        self.sums = np.zeros((2, 1))
        """Running sum and sum of squares of the first convolution's outputs, from the first kept
        frame on; a leading 0."""
        self.n_settled = 0
        self.first_position = 0
        """Position of the first kept frame, as the keys of the settled frames know it."""
        self.settled = no_frames(encoder)
        """Own keys and values of the settled frames."""
        self.output = EncodedAudio(
            np.zeros((0, encoder.d_model), np.float32), no_frames(config.decoder)
        )
        """What the settled frames gave."""


def no_frames(stack: Stack) -> Floats:
    """Keys and values of no frames, `[2 * layers, H, 0, D]`."""
    return np.zeros((2 * stack.n_layers, stack.n_heads, 0, stack.head_dim), np.float32)


class AsrEncoder:
    """A `streamer.models.moonshine.contract.AudioEncoder`. Safe to share between threads; a stream
    is not."""

    frame_samples = FRAME_SAMPLES

    def __init__(
        self,
        folder: Path,
        config: MoonshineConfig = TINY,
        *,
        settled_ms: float = SETTLED_MS,
        threads: int = 1,
        device: str = "cpu",
    ) -> None:
        """
        Args:
            folder: with the graphs of `streamer.models.moonshine.graph`.
            config: of the model that they were built from.
            settled_ms: a frame with this much sound behind it is settled.
        """
        self._config = config
        self._stem = open_session(folder / STEM_FILE, threads=threads, device=device)
        self._encode = open_session(folder / ENCODE_FILE, threads=threads, device=device)
        self._past = cache_names("past", config.encoder)
        self._new = cache_names("new", config.encoder)
        self._outputs = ["states", *self._new, *cache_names("cross", config.decoder)]
        self._unsettled_frames = int(settled_ms * 16) // FRAME_SAMPLES

    def open_stream(self) -> EncoderStream:
        """See `AudioEncoder`."""
        return EncoderStream(self._config)

    def listen(self, stream: EncoderStream, samples: Floats) -> None:
        """See `AudioEncoder`."""
        stream.waiting = np.concatenate([stream.waiting, samples])
        bands, sums = self._bands(stream, stream.waiting)
        stream.bands = np.concatenate([stream.bands, bands], axis=1)
        stream.sums = np.concatenate([stream.sums, sums], axis=1)
        stream.waiting = stream.waiting[bands.shape[1] * BAND_SAMPLES :]

    def audio(
        self,
        stream: EncoderStream,
        n_samples: int | None = None,
        *,
        n_silent: int = 0,
        afresh: bool = False,
    ) -> EncodedAudio | None:
        """See `AudioEncoder`; `afresh` computes all frames again, not only those that have not
        settled."""
        bands, sums = stream.bands, stream.sums
        n_heard = bands.shape[1] * BAND_SAMPLES + len(stream.waiting)
        if n_samples is not None and n_samples < n_heard:
            n_bands = max(0, (n_samples - BAND_REACH_SAMPLES) // BAND_SAMPLES + 1)
            bands = bands[:, :n_bands]
        elif n_silent:
            tail = np.append(stream.waiting, np.zeros(n_silent, np.float32))
            more, more_sums = self._bands(stream, tail)
            bands = np.concatenate([bands, more], axis=1)
            sums = np.concatenate([sums, more_sums], axis=1)
        n_frames = max(0, (bands.shape[1] - FRAME_REACH_BANDS) // BANDS_PER_FRAME + 1)
        if afresh or n_frames < stream.n_settled:
            stream.n_settled = stream.first_position = 0
        kept = stream.n_settled
        if n_frames <= kept:
            return stream.output.part(0, n_frames) if n_frames > 0 else None
        new, output = self._run(stream, bands, sums, n_frames)
        audio = stream.output.part(0, kept).followed_by(output) if kept else output
        settled = max(kept, n_frames - self._unsettled_frames)
        if settled > kept:
            parts = [stream.settled[:, :, :kept], new[:, :, : settled - kept]]
            stream.settled = np.concatenate(parts, axis=2)
            stream.output = audio.part(0, settled)
            stream.n_settled = settled
        return audio

    def forget(self, stream: EncoderStream, n_frames: int) -> None:
        """See `AudioEncoder`."""
        n_bands = BANDS_PER_FRAME * n_frames
        stream.bands = stream.bands[:, n_bands:].copy()
        stream.sums = stream.sums[:, FIRST_PER_BAND * n_bands :].copy()
        stream.sums -= stream.sums[:, :1]
        stream.settled = stream.settled[:, :, n_frames:].copy()
        stream.output = stream.output.part(n_frames, stream.output.n_frames)
        stream.n_settled = max(0, stream.n_settled - n_frames)
        stream.first_position += n_frames

    def encode(self, samples: Floats) -> EncodedAudio:
        """A whole recording at once.

        Raises:
            ValueError: fewer than `MIN_SAMPLES` samples.
        """
        stream = self.open_stream()
        self.listen(stream, samples)
        audio = self.audio(stream)
        if audio is None:
            raise ValueError(f"{len(samples)} samples are too few; give at least {MIN_SAMPLES}")
        return audio

    def _bands(self, stream: EncoderStream, samples: Floats) -> tuple[Floats, Doubles]:
        """The bands of samples that wait, and how the running sums go on."""
        n_bands = (len(samples) - BAND_REACH_SAMPLES) // BAND_SAMPLES + 1
        if n_bands < 1:
            return stream.bands[:, :0], np.zeros((2, 0))
        heard = samples[: (n_bands - 1) * BAND_SAMPLES + BAND_REACH_SAMPLES]
        bands, sums, squares = self._stem.run(
            ["bands", "sums", "squares"], {"samples": heard[None]}
        )
        known = FIRST_OVERLAP if stream.sums.shape[1] > 1 else 0
        moments = np.concatenate([sums, squares])[:, known:].cumsum(axis=1, dtype=np.float64)
        return bands[0], moments + stream.sums[:, -1:]

    def _run(
        self, stream: EncoderStream, bands: Floats, sums: Doubles, n_frames: int
    ) -> tuple[Floats, EncodedAudio]:
        """Own keys and values, and the output, of the frames `n_settled … n_frames`."""
        kept = stream.n_settled
        n_bands = BANDS_PER_FRAME * (n_frames - 1) + FRAME_REACH_BANDS
        n_first = FIRST_PER_BAND * n_bands + FIRST_OVERLAP
        mean, square = sums[:, n_first] / (n_first * self._config.encoder.d_model)
        deviation = np.sqrt(square - mean**2 + NORM_EPSILON)
        feed = {
            "bands": np.ascontiguousarray(bands[None, :, BANDS_PER_FRAME * kept : n_bands]),
            "mean": np.full((1, 1, 1), mean, np.float32),
            "inverse_deviation": np.full((1, 1, 1), 1 / deviation, np.float32),
            "positions": stream.first_position + np.arange(kept, n_frames, dtype=np.int64)[None],
        }
        past = np.ascontiguousarray(stream.settled[:, None, :, :kept])
        feed.update(zip(self._past, past, strict=True))
        states, *found = self._encode.run(self._outputs, feed)
        own, cross = found[: len(self._new)], found[len(self._new) :]
        return np.concatenate(own), EncodedAudio(states[0], np.concatenate(cross))
