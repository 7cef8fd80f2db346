"""Moonshine Streaming's encoder: what is old is kept for good, only what is new is computed.

A frame attends to its neighbours alone, so its state depends on no more than some frames behind it
(`MoonshineConfig.look_ahead`). Once they have been heard it never changes. The newest frames are
encoded as if the sound ended there, and again with the next sound.

A state knows nothing of its place; what the decoder attends to does. When old frames are forgotten,
places move, and that is computed again from the states.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from streamer.audio.arrays import Floats
from streamer.models.moonshine.config import (
    CONVOLVED,
    WINDOW_SAMPLES,
    MoonshineConfig,
    cache_names,
    mask_name,
)
from streamer.models.moonshine.contract import AudioStream
from streamer.models.moonshine.decoder import MASKED
from streamer.models.moonshine.encoder import EncodedAudio, no_frames
from streamer.models.moonshine.tokenizer import CROSS_FILE, ENCODE_FILE, STEM_FILE
from streamer.models.onnx.runtime import open_session


class WindowedStream(AudioStream):
    """The state of one utterance; fed and read through `WindowedEncoder`."""

    def __init__(self, config: MoonshineConfig) -> None:
        super().__init__()
        d_model = config.encoder.d_model
        self.convolved = [
            np.zeros((1, d_model, CONVOLVED), np.float32),
            np.zeros((1, 2 * d_model, CONVOLVED), np.float32),
        ]
        """The last inputs of both convolutions."""
        self.features = np.zeros((0, d_model), np.float32)
        """Of the kept frames."""
        self.n_settled = 0
        """Kept frames whose states do not change any more."""
        self.settled = no_frames(config.encoder)
        """Own keys and values of the last of the settled frames, as far as others attend to them;
        they may lie before the first kept frame."""
        self.output = EncodedAudio(np.zeros((0, d_model), np.float32), no_frames(config.decoder))
        """What the settled frames gave."""


class WindowedEncoder:
    """A `streamer.models.moonshine.contract.AudioEncoder`. Safe to share between threads; a stream
    is not."""

    def __init__(
        self, folder: Path, config: MoonshineConfig, *, threads: int = 1, device: str = "cpu"
    ) -> None:
        """
        Args:
            folder: with the graphs of `streamer.models.moonshine.windowed_graph`.
            config: of the model that they were built from.
        """
        self._config = config
        self.frame_samples = config.frame_samples
        self._stem = open_session(folder / STEM_FILE, threads=threads, device=device)
        self._encode = open_session(folder / ENCODE_FILE, threads=threads, device=device)
        self._cross = open_session(folder / CROSS_FILE, threads=threads, device=device)
        self._past = cache_names("past", config.encoder)
        self._outputs = ["states", *cache_names("new", config.encoder)]
        self._cross_outputs = cache_names("cross", config.decoder)

    def open_stream(self) -> WindowedStream:
        """See `AudioEncoder`."""
        return WindowedStream(self._config)

    def listen(self, stream: WindowedStream, samples: Floats) -> None:
        """See `AudioEncoder`."""
        waiting = np.concatenate([stream.waiting, samples])
        n_heard = len(waiting) // self.frame_samples * self.frame_samples
        stream.waiting = waiting[n_heard:]
        if n_heard:
            features, stream.convolved = self._features(stream, waiting[:n_heard])
            stream.features = np.concatenate([stream.features, features])

    def audio(
        self,
        stream: WindowedStream,
        n_samples: int | None = None,
        *,
        n_silent: int = 0,
        afresh: bool = False,
    ) -> EncodedAudio | None:
        """See `AudioEncoder`; `afresh` makes no difference, as nothing is kept that could change.
        Of the samples behind the last whole 5 ms nothing is heard."""
        features = stream.features
        n_heard = len(features) * self.frame_samples + len(stream.waiting)
        if n_samples is not None and n_samples < n_heard:
            features = features[: self._n_frames(n_samples)]
        else:
            rest = np.append(stream.waiting, np.zeros(n_silent, np.float32))
            n_more = self._n_frames(len(rest))
            if n_more:
                padded = np.zeros(n_more * self.frame_samples, np.float32)
                n_whole = len(rest) // WINDOW_SAMPLES * WINDOW_SAMPLES
                padded[:n_whole] = rest[:n_whole]
                features = np.concatenate([features, self._features(stream, padded)[0]])
        n_frames, kept = len(features), stream.n_settled
        if n_frames <= kept:
            return stream.output.part(0, n_frames) if n_frames else None
        own, states = self._run(stream, features[kept:])
        new = EncodedAudio(states, self._keys(states, kept))
        audio = stream.output.followed_by(new) if kept else new
        n_surely = min(n_frames, len(stream.features))
        settled = max(kept, n_surely - self._config.look_ahead)
        if settled > kept:
            past = np.concatenate([stream.settled, own[:, :, : settled - kept]], axis=2)
            stream.settled = past[:, :, max(0, past.shape[2] - self._config.reach) :].copy()
            stream.output = audio.part(0, settled)
            stream.n_settled = settled
        return audio

    def forget(self, stream: WindowedStream, n_frames: int) -> None:
        """See `AudioEncoder`."""
        if n_frames > stream.n_settled:  # between what is known and what is left is a gap
            stream.settled = no_frames(self._config.encoder)
        stream.features = stream.features[n_frames:].copy()
        states = stream.output.states[n_frames:].copy()
        stream.output = EncodedAudio(states, self._keys(states, 0))
        stream.n_settled = len(states)

    def _n_frames(self, n_samples: int) -> int:
        """Frames that begin with a whole 5 ms of these."""
        return (n_samples - WINDOW_SAMPLES) // self.frame_samples + 1

    def _features(self, stream: WindowedStream, samples: Floats) -> tuple[Floats, list[Floats]]:
        """Of whole frames behind those that the stream has, `[F, D]`, and the last inputs of the
        convolutions then."""
        first, second = stream.convolved
        features, *convolved = self._stem.run(
            ["features", "first_next", "second_next"],
            {"samples": samples[None], "first_past": first, "second_past": second},
        )
        return features[0], convolved

    def _run(self, stream: WindowedStream, features: Floats) -> tuple[Floats, Floats]:
        """Own keys and values, and the states, of frames behind the settled ones."""
        n_past, n_new = stream.settled.shape[2], len(features)
        feed: dict[str, npt.NDArray[np.float32]] = {"features": features[None]}
        ahead = np.arange(n_past + n_new) - np.arange(n_past, n_past + n_new)[:, None]
        for window in set(self._config.windows):
            before, behind = window
            seen = ((ahead <= 0) & (-ahead < before)) | ((ahead > 0) & (ahead < behind))
            mask = np.where(seen, 0.0, MASKED).astype(np.float32)
            feed[mask_name(window)] = mask[None, None]
        feed.update(zip(self._past, stream.settled[:, None], strict=True))
        states, *own = self._encode.run(self._outputs, feed)
        return np.concatenate(own), states[0]

    def _keys(self, states: Floats, first: int) -> Floats:
        """What the decoder attends to, of states from place `first` on."""
        if not len(states):
            return no_frames(self._config.decoder)
        places = np.arange(first, first + len(states), dtype=np.int64)
        found = self._cross.run(self._cross_outputs, {"states": states[None], "positions": places})
        return np.concatenate(found)
