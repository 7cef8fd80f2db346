"""Opens a Moonshine and the project's own detector on a card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from streamer.models.card.decoder import CardDecoder
from streamer.models.card.device import Card, Queue
from streamer.models.card.encoder import CardEncoder
from streamer.models.card.encoding import SlotEncoder
from streamer.models.card.moonshine import place_decoder, place_encoder, place_windowed
from streamer.models.card.slots import Pools, WholePools, WindowedPools, known_frames, slot_bytes
from streamer.models.card.vad import CardVad
from streamer.models.card.windowed_encoder import WindowedCardEncoder
from streamer.models.errors import ModelCorruptError
from streamer.models.moonshine.encoder_weights import EncoderWeights
from streamer.models.moonshine.weights import MoonshineWeights
from streamer.models.onnx.runtime import DeviceUnavailableError

_SPARE_BYTES: Final = 1 << 30
"""For what passes need on their way, and for their graphs."""


@dataclass(frozen=True)
class CardModels:
    encoder: SlotEncoder[Any]
    decoder: CardDecoder
    vad: CardVad
    pools: Pools
    speech_queue: Queue
    """Of encoder and decoder."""


def load_card_models(
    weights: MoonshineWeights, vad: Path, card: Card, *, n_sessions: int
) -> CardModels:
    """
    Args:
        vad: `silero_vad_16k_sequence.onnx`.
        n_sessions: that memory is set aside for.

    Raises:
        DeviceUnavailableError: they do not fit; the message says how many do.
        ModelCorruptError: a streaming model knows fewer places than a window has frames.
    """
    speech, detector = card.queue("speech"), card.queue("vad")
    config, n_slots = weights.config, slots_of(n_sessions)
    placed = place_decoder(weights.decoder, config, card)
    encoder, pools = _encoder(weights, card, speech, n_sessions, n_slots)
    decoder = CardDecoder(placed, pools, speech)
    loaded = CardModels(encoder, decoder, CardVad(vad, card, detector), pools, speech)
    card.wait()
    if card.is_cuda:
        loaded.encoder.warm_up()
        loaded.decoder.warm_up()
    return loaded


def _encoder(
    weights: MoonshineWeights, card: Card, queue: Queue, n_sessions: int, n_slots: int
) -> tuple[SlotEncoder[Any], Pools]:
    """With the memory that it shares with the decoder, once the weights have theirs."""
    config, encoder = weights.config, weights.encoder
    each = slot_bytes(config, card.dtype)
    if isinstance(encoder, EncoderWeights):
        tensors = place_encoder(encoder, weights.decoder, config, card)
        check_memory(card, "Moonshine's states", n_sessions, n_slots, each)
        pools = WholePools(card, n_slots, config)
        return CardEncoder(tensors, pools, queue), pools
    if len(encoder.positions) <= known_frames(config)[-1]:
        raise ModelCorruptError(f"the model knows {len(encoder.positions)} places, too few")
    windowed = place_windowed(encoder, weights.decoder, config, card)
    check_memory(card, "Moonshine's states", n_sessions, n_slots, each)
    windowed_pools = WindowedPools(card, n_slots, config)
    return WindowedCardEncoder(windowed, windowed_pools, queue), windowed_pools


def slots_of(n_sessions: int) -> int:
    """A few more, for segments that end while others begin."""
    return n_sessions + n_sessions // 8 + 1


def check_memory(card: Card, what: str, n_sessions: int, n_slots: int, slot_bytes: int) -> None:
    """
    Args:
        what: is kept in the slots, for the message.
        slot_bytes: of each slot.

    Raises:
        DeviceUnavailableError: so many slots do not fit into what is free.
    """
    free = card.free_bytes()
    if free is None:
        return
    fitting = max(0, free - _SPARE_BYTES) // slot_bytes
    if fitting < n_slots:
        raise DeviceUnavailableError(
            f"{what} of {n_sessions} sessions do not fit into the free memory of {card.device} "
            f"({free / 2**30:.1f} GB): it has room for {max(0, fitting * 8 // 9 - 1)}; allow fewer "
            "(--max-sessions)"
        )
