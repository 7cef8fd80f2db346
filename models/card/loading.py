"""Opens the project's own models on a card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamer.models.card.decoder import CardDecoder
from streamer.models.card.device import Card, Queue
from streamer.models.card.encoder import CardEncoder
from streamer.models.card.moonshine import read_decoder, read_encoder
from streamer.models.card.slots import Pools, slot_bytes
from streamer.models.card.vad import CardVad
from streamer.models.onnx.runtime import DeviceUnavailableError

_SPARE_BYTES: Final = 1 << 30
"""For what passes need on their way, and for their graphs."""


@dataclass(frozen=True)
class CardModels:
    encoder: CardEncoder
    decoder: CardDecoder
    vad: CardVad
    pools: Pools
    speech_queue: Queue
    """Of encoder and decoder."""


def load_card_models(
    encoder: Path,
    decoder: Path,
    vad: Path,
    card: Card,
    *,
    n_sessions: int,
    updates: Path | None = None,
) -> CardModels:
    """
    Args:
        encoder, decoder: Moonshine's shipped files.
        vad: `silero_vad_16k_sequence.onnx`.
        n_sessions: that memory is set aside for.
        updates: of the decoder, as of `DecoderWeights.read`.

    Raises:
        DeviceUnavailableError: they do not fit; the message says how many do.
    """
    speech, detector = card.queue("speech"), card.queue("vad")
    weights = read_encoder(encoder, decoder, card), read_decoder(decoder, card, updates)
    n_slots = slots_of(n_sessions)
    check_memory(card, n_sessions, n_slots, slot_bytes(card.dtype))
    pools = Pools(card, n_slots)
    loaded = CardModels(
        CardEncoder(weights[0], pools, speech),
        CardDecoder(weights[1], pools, speech),
        CardVad(vad, card, detector),
        pools,
        speech,
    )
    card.wait()
    if card.is_cuda:
        loaded.encoder.warm_up()
        loaded.decoder.warm_up()
    return loaded


def slots_of(n_sessions: int) -> int:
    """A few more, for segments that end while others begin."""
    return n_sessions + n_sessions // 8 + 1


def check_memory(card: Card, n_sessions: int, n_slots: int, slot_bytes: int) -> None:
    """
    Args:
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
            f"{n_sessions} sessions do not fit into the free memory of {card.device} "
            f"({free / 2**30:.1f} GB): it has room for {max(0, fitting * 8 // 9 - 1)}; allow fewer "
            "(--max-sessions)"
        )
