"""A native streaming transducer of the transformers library, batched over sessions.

The library streams one batch whose rows begin and go on together. Here rows come and go: what the
encoder remembers of each session (keys and values, the edges of its convolutions) and the state of
its search have a slot in preallocated memory. Sessions that have heard equally much share a pass,
and so do all whose attention window is full, however long they go on: what is remembered of older
sound looks alike then.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
import transformers
from torch import Tensor


class TransducerSession:
    """What one session has come to: how many of the encoder's frames it has heard, and its slot."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.n_heard = 0


class StreamingTransducer:
    """`NemotronAsrStreamingForRNNT` with a fixed look-ahead, searched greedily.

    Calls must not overlap.
    """

    def __init__(self, model: Any, look_ahead: int, n_sessions: int) -> None:
        """
        Args:
            model: where it is to run, in its number format, in eval mode.
            look_ahead: frames of 80 ms behind the newest, that a chunk brings along.
            n_sessions: that memory is set aside for.
        """
        self._model = model
        self._config = model.config.encoder_config
        self._chunk = look_ahead + 1
        self._kept = self._config.sliding_window - 1
        # The first whole number of chunks from which on the window is full.
        self._full = -(-self._config.sliding_window // self._chunk) * self._chunk
        self._free = list(range(n_sessions))
        self._n = n_sessions
        self._layers: list[Any] = []
        self._edges: dict[str, Any] = {}
        self._memory: Tensor | None = None
        """`[slots, layers, 2, H, kept, D]`, newest last."""
        self._edge_memory: dict[str, Tensor] = {}
        weight: Tensor = model.joint.head.weight
        layers, width = model.config.num_decoder_layers, model.config.decoder_hidden_size
        self._state = weight.new_zeros((2, layers, n_sessions, width))
        self._predicted = weight.new_zeros((n_sessions, 1, width))

    def n_features(self, session: TransducerSession) -> int:
        """Mel frames that the session's next chunk must have: the first has fewer."""
        factor: int = self._config.subsampling_factor
        return factor * self._chunk - (0 if session.n_heard else factor - 1)

    @torch.inference_mode()
    def begin(self) -> TransducerSession:
        """A session that has heard nothing.

        Raises:
            IndexError: all slots are taken.
        """
        session = TransducerSession(self._free.pop())
        slots = torch.tensor([session.slot], device=self._state.device)
        self._state[:, :, slots] = 0
        blank = torch.full_like(slots, self._model.config.blank_token_id)
        self._predict(slots, blank)
        return session

    def end(self, session: TransducerSession) -> None:
        """Give the slot back."""
        self._free.append(session.slot)

    @torch.inference_mode()
    def step(
        self, sessions: Sequence[TransducerSession], chunks: Sequence[Tensor]
    ) -> list[list[int]]:
        """Hear a chunk of each session, `[n_features, mels]`; gives the tokens it adds.

        Raises:
            ValueError: a chunk is not as long as `n_features` wants it.
        """
        groups: dict[int, list[int]] = defaultdict(list)
        for at, (session, chunk) in enumerate(zip(sessions, chunks, strict=True)):
            if len(chunk) != self.n_features(session):
                raise ValueError(
                    f"a chunk of {self.n_features(session)} frames is wanted, not {len(chunk)}"
                )
            groups[min(session.n_heard, self._full)].append(at)
        found: list[list[int]] = [[] for _ in sessions]
        for n_heard, places in groups.items():
            slots = torch.tensor([sessions[at].slot for at in places], device=self._state.device)
            frames = self._encode(slots, torch.stack([chunks[at] for at in places]), n_heard)
            for at, tokens in zip(places, self._search(slots, frames), strict=True):
                found[at] = tokens
                sessions[at].n_heard += frames.shape[1]
        return found

    def _encode(self, slots: Tensor, features: Tensor, n_heard: int) -> Tensor:
        """`[B, F, D]`, ready for the joint network."""
        past: Any = transformers.DynamicCache(config=self._config)
        padding = None
        if n_heard:
            assert self._memory is not None
            known = self._memory[slots][..., -min(n_heard, self._kept) :, :]
            past.layers = [copy.copy(layer) for layer in self._layers]
            for at, layer in enumerate(past.layers):
                layer.keys, layer.values = known[:, at, 0], known[:, at, 1]
                layer.cumulative_length = n_heard
            padding = copy.copy(self._padding)
            padding.layers = {}
            for name, edge in self._edges.items():
                padding.layers[name] = copy.copy(edge)
                padding.layers[name].cache = self._edge_memory[name][slots]
        out = self._model.get_audio_features(
            features,
            past_key_values=past,
            padding_cache=padding,
            num_lookahead_tokens=self._chunk - 1,
            use_cache=True,
            output_attention_mask=False,
        )
        self._keep(slots, out.past_key_values, out.padding_cache)
        frames: Tensor = out.pooler_output
        return frames

    def _keep(self, slots: Tensor, past: Any, padding: Any) -> None:
        """Write what the next chunk needs into the slots."""
        grown = torch.stack(
            [torch.stack((layer.keys, layer.values), dim=1) for layer in past.layers], dim=1
        )
        if self._memory is None:
            shape = (self._n, *grown.shape[1:4], self._kept, grown.shape[5])
            self._memory = grown.new_zeros(shape)
            self._layers, self._padding = list(past.layers), padding
            self._edges = dict(padding.layers)
            self._edge_memory = {
                name: edge.cache.new_zeros((self._n, *edge.cache.shape[1:]))
                for name, edge in padding.layers.items()
            }
        self._memory[slots, ..., -grown.shape[4] :, :] = grown
        for name, edge in padding.layers.items():
            self._edge_memory[name][slots] = edge.cache

    def _search(self, slots: Tensor, frames: Tensor) -> list[list[int]]:
        """The tokens that each row adds."""
        blank, most = self._model.config.blank_token_id, self._model.max_symbols_per_step
        said: list[list[int]] = [[] for _ in slots]
        for frame in frames.unbind(1):
            rows = torch.arange(len(slots), device=slots.device)
            for _ in range(most):
                logits = self._model.joint(self._predicted[slots[rows]], frame[rows, None])
                tokens = logits[:, -1].argmax(-1)
                spoken = tokens != blank
                rows, tokens = rows[spoken], tokens[spoken]
                if not len(rows):
                    break
                self._predict(slots[rows], tokens)
                for row, token in zip(rows.tolist(), tokens.tolist(), strict=True):
                    said[row].append(token)
        return said

    def _predict(self, slots: Tensor, tokens: Tensor) -> None:
        """Go on behind the tokens."""
        decoder = self._model.decoder
        state = tuple(part[:, slots].contiguous() for part in self._state)
        output, state = decoder.lstm(decoder.embedding(tokens[:, None]), state)
        self._predicted[slots] = decoder.decoder_projector(output)
        self._state[:, :, slots] = torch.stack(state)
