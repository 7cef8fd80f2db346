"""From a folder to a streaming transducer on a card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
import transformers

from streamer.audio.clock import SAMPLE_RATE
from streamer.models.card.device import Card
from streamer.models.card.loading import check_memory, slots_of
from streamer.models.card.transducer.contract import FRAME_SAMPLES
from streamer.models.card.transducer.model import StreamingTransducer
from streamer.models.errors import ModelCorruptError, ModelMissingError, opening
from streamer.models.moonshine.tokenizer import Tokenizer
from streamer.models.transformers_speech.loading import precision
from streamer.models.transformers_speech.tokenizer import spoken_tokenizer

_CLASS: Final = "NemotronAsrStreamingForRNNT"


@dataclass(frozen=True)
class LoadedTransducer:
    model: StreamingTransducer
    tokenizer: Tokenizer
    look_ahead_ms: float


def load_transducer(
    folder: Path,
    *,
    name: str,
    threads: int,
    device: str,
    look_ahead_ms: float,
    n_sessions: int,
) -> LoadedTransducer:
    """Opens a streaming transducer of the transformers library; on a GPU in half precision.

    Args:
        folder: with `config.json`, the weights, the tokenizer and the processor's configuration.
        name: what to call it.
        threads: CPU threads that one pass may use.
        device: "cpu", "cuda" or "cuda:1".
        look_ahead_ms: sound that each chunk brings along, at most; of those that the model was
            trained with, the longest is taken that is no longer, or the shortest.
        n_sessions: that memory is set aside for.

    Raises:
        ModelMissingError: a file is missing, or the library is too old.
        ModelCorruptError: it is no streaming transducer at 16 kHz with frames of 80 ms.
        DeviceUnavailableError: the device is not usable, or has too little memory.
    """
    library_class: Any = getattr(transformers, _CLASS, None)
    if library_class is None:
        raise ModelMissingError(
            f"{name} needs a newer transformers library; pip install --upgrade transformers"
        )
    card = Card(device, precision(device))
    torch.set_num_threads(threads)
    with opening(name, "a streaming transducer"):
        model = library_class.from_pretrained(folder, dtype=card.dtype, trust_remote_code=False)
        processor = transformers.AutoProcessor.from_pretrained(folder, trust_remote_code=False)
        extractor = processor.feature_extractor
        supported: Sequence[int] = processor.supported_num_lookahead_tokens
        frame_samples = model.config.encoder_config.subsampling_factor * extractor.hop_length
    if (extractor.sampling_rate, frame_samples) != (SAMPLE_RATE, FRAME_SAMPLES):
        raise ModelCorruptError(
            f"{name} has frames of {frame_samples} samples at {extractor.sampling_rate} Hz; "
            f"{FRAME_SAMPLES} at {SAMPLE_RATE} Hz are needed"
        )
    with card.fitting(name):
        model = model.eval().to(card.device)
    look_ahead = _look_ahead(supported, look_ahead_ms)
    n_slots = slots_of(n_sessions)
    one = StreamingTransducer(model, extractor, look_ahead, card, card.queue(), 1)
    check_memory(card, "the transducer's states", n_sessions, n_slots, one.slot_bytes)
    queue = card.queue("transducer")
    made = StreamingTransducer(model, extractor, look_ahead, card, queue, n_slots)
    if card.is_cuda:
        made.warm_up()
    return LoadedTransducer(made, spoken_tokenizer(processor.tokenizer), _chunk_ms(look_ahead))


def _look_ahead(supported: Sequence[int], most_ms: float) -> int:
    fitting = [frames for frames in supported if _chunk_ms(frames) <= most_ms]
    return max(fitting, default=min(supported))


def _chunk_ms(look_ahead: int) -> float:
    """A frame waits for the last of its chunk."""
    return 1_000 * (look_ahead + 1) * FRAME_SAMPLES / SAMPLE_RATE
