"""Silero's voice activity detector for many sessions at once; see `streamer.models.silero`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor
from torch.nn import functional

from streamer.audio.arrays import Floats
from streamer.models.card.device import ROWS, Card, Queue, bucket, in_parts, in_parts_or_fail
from streamer.models.errors import NoRoomError
from streamer.models.silero import CONTEXT_SAMPLES, FRAME_SAMPLES, STATE_SIZE

FRAMES: Final = (1, 8, 32, 128, 640)
"""Buckets of frames: a step's, and all that may wait."""
_WIDTH: Final = CONTEXT_SAMPLES + FRAME_SAMPLES
_STFT_STRIDE: Final = 128
_STFT_PADDING: Final = 64
_STRIDES: Final = (1, 2, 2, 1)


@dataclass(frozen=True)
class VadRequest:
    """`frames [N, 576]`, LSTM state `[1, 1, 128]` twice."""

    frames: Floats
    h: Floats
    c: Floats


VadAnswer = tuple[Floats, Floats, Floats]
"""Probabilities `[N]`, and the state."""


class CardVad:
    """Always in float32: it is tiny, and its state goes on for hours."""

    def __init__(self, path: Path, card: Card, queue: Queue) -> None:
        """
        Args:
            path: `silero_vad_16k_sequence.onnx`.

        Raises:
            DeviceUnavailableError: the card's memory is too small.
        """
        graph = onnx.load(path).graph
        found = {one.name: numpy_helper.to_array(one) for one in graph.initializer}

        def place(name: str) -> Tensor:
            return card.place(found[name], torch.float32)

        (lstm,) = (node for node in graph.node if node.op_type == "LSTM")
        self._basis = place("stft.forward_basis_buffer")
        self._convolutions = [
            (place(f"encoder.{i}.weight"), place(f"encoder.{i}.bias")) for i in range(len(_STRIDES))
        ]
        inner, outer, biases = (place(name)[0] for name in lstm.input[1:4])
        self._inner, self._outer = inner.T.contiguous(), outer.T.contiguous()
        self._gates = biases.view(2, -1).sum(0)
        self._output = place("output.weight")[0, :, 0]
        self._output_bias = place("output.bias")
        self.queue = queue
        card.wait()

    def run_together(self, requests: Sequence[VadRequest]) -> list[VadAnswer | NoRoomError]:
        """What each says about its frames. For what finds no memory the answer is the error."""
        return in_parts_or_fail(self._run, requests, ROWS[-1])

    def run(self, frames: Floats, h: Floats, c: Floats) -> VadAnswer:
        """See `streamer.models.silero.VadModel`.

        Raises:
            NoRoomError: the card has no memory for it.
        """
        (answer,) = in_parts(self._run, [VadRequest(frames, h, c)], 1)
        return answer

    def _run(self, requests: Sequence[VadRequest]) -> list[VadAnswer]:
        n_rows = bucket(ROWS, len(requests))
        n_frames = bucket(FRAMES, max(len(request.frames) for request in requests))
        words = np.zeros((n_rows, 1 + 2 * STATE_SIZE + n_frames * _WIDTH), np.int32)
        floats = words[:, 1:].view(np.float32)
        for row, request in enumerate(requests):
            values = (request.h.ravel(), request.c.ravel(), request.frames.ravel())
            flat = np.concatenate(values)
            words[row, 0] = len(request.frames)
            floats[row, : len(flat)] = flat
        found = self.queue.read(self._pass, words.reshape(-1), n_rows, n_frames)
        answers = []
        for row, request in enumerate(requests):
            h, c, probabilities = np.split(found[row], (STATE_SIZE, 2 * STATE_SIZE))
            shape = request.h.shape
            answers.append(
                (probabilities[: len(request.frames)], h.reshape(shape), c.reshape(shape))
            )
        return answers

    def _pass(self, words: Tensor, n_rows: int, n_frames: int) -> Tensor:
        words = words.view(n_rows, -1)
        n_valid, floats = words[:, 0], words[:, 1:].view(torch.float32)
        h, c = floats[:, :STATE_SIZE], floats[:, STATE_SIZE : 2 * STATE_SIZE]
        frames = floats[:, 2 * STATE_SIZE :]
        x = functional.pad(frames.reshape(-1, 1, _WIDTH), (0, _STFT_PADDING), mode="reflect")
        real, imaginary = functional.conv1d(x, self._basis, stride=_STFT_STRIDE).chunk(2, dim=1)
        x = (real.square() + imaginary.square()).sqrt()
        for (weight, bias), stride in zip(self._convolutions, _STRIDES, strict=True):
            x = functional.conv1d(x, weight, bias, stride=stride, padding=1).relu()
        gates = (x[..., 0] @ self._inner + self._gates).view(n_rows, n_frames, -1)
        probabilities = []
        for at in range(n_frames):
            # In ONNX's order of gates.
            i, o, f, g = (gates[:, at] + h @ self._outer).chunk(4, dim=1)
            grown = f.sigmoid() * c + i.sigmoid() * g.tanh()
            goes_on = (at < n_valid)[:, None]
            h = torch.where(goes_on, o.sigmoid() * grown.tanh(), h)
            c = torch.where(goes_on, grown, c)
            probabilities.append((h.relu() @ self._output + self._output_bias).sigmoid())
        return torch.cat((h, c, torch.stack(probabilities, dim=1)), dim=1)
