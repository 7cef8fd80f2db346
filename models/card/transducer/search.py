"""Greedy search of a transducer (Graves, "Sequence Transduction with Recurrent Neural Networks",
2012) over the frames of a chunk, of fixed shape: what a row does not say, it computes in vain.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor

from streamer.models.card.device import Card
from streamer.models.card.transducer.encoder import Rows

NOTHING: Final = -1
"""In the place of a token where none is said."""


class GreedySearch:
    """Prediction and joint network of a `NemotronAsrStreamingForRNNT`; a row's state has a slot,
    twice, as the encoder's edges have."""

    def __init__(self, model: Any, card: Card, n_slots: int) -> None:
        """
        Args:
            model: on the card, in its number format, in eval mode.

        Raises:
            DeviceUnavailableError: the card's memory is too small.
        """
        self._model = model
        self._blank: int = model.config.blank_token_id
        self._most: int = model.max_symbols_per_step
        self._n_layers: int = model.config.num_decoder_layers
        width: int = model.config.decoder_hidden_size
        with card.fitting(f"{n_slots} sessions"):
            # Of each layer the output and the cell; at last what the joint network is told.
            shape = (2, n_slots, 2 * self._n_layers + 1, width)
            self._memory = torch.zeros(shape, device=card.device, dtype=card.dtype)
        blank = torch.tensor([self._blank], device=card.device)
        with torch.no_grad():
            self._beginning = self._followed(torch.zeros_like(self._memory[0, :1]), blank)

    @property
    def nbytes(self) -> int:
        """Of the memory of all slots."""
        return self._memory.nbytes

    def run(self, rows: Rows, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens and their log-probabilities, `[B, F * most]`, of `frames [B, F, W]`; most of the
        tokens are `NOTHING`."""
        state = self._memory[rows.side, rows.slots]
        state = torch.where(rows.first[:, None, None], self._beginning, state)
        tokens, logprobs = [], []
        joint = self._model.joint
        for frame in frames.unbind(1):
            says = torch.ones_like(rows.first)
            for _ in range(self._most):
                logits = joint.head(joint.activation(frame + state[:, -1]))
                logprob, token = logits.float().log_softmax(-1).max(-1)
                says = says & (token != self._blank)
                tokens.append(torch.where(says, token, NOTHING))
                logprobs.append(logprob)
                state = torch.where(says[:, None, None], self._followed(state, token), state)
        self._memory[1 - rows.side, rows.slots] = state
        return torch.stack(tokens, 1), torch.stack(logprobs, 1)

    def _followed(self, state: Tensor, tokens: Tensor) -> Tensor:
        """The state behind a token each."""
        decoder = self._model.decoder
        lstm = decoder.lstm
        x = decoder.embedding(tokens)
        parts = []
        for layer in range(self._n_layers):
            output, cell = state[:, 2 * layer], state[:, 2 * layer + 1]
            # Not by the library's call: that cannot be relied on inside a CUDA graph.
            gates = torch.nn.functional.linear(
                x, getattr(lstm, f"weight_ih_l{layer}"), getattr(lstm, f"bias_ih_l{layer}")
            ) + torch.nn.functional.linear(
                output, getattr(lstm, f"weight_hh_l{layer}"), getattr(lstm, f"bias_hh_l{layer}")
            )
            i, f, g, o = gates.chunk(4, dim=-1)
            cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            x = o.sigmoid() * cell.tanh()
            parts += [x, cell]
        return torch.stack((*parts, decoder.decoder_projector(x)), dim=1)
