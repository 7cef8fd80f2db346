"""From the name a person gives to the speech model behind it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
import transformers

from streamer.audio.clock import SAMPLE_RATE
from streamer.models.errors import ModelCorruptError, ModelMissingError, opening
from streamer.models.moonshine.config import KINDS as MOONSHINES
from streamer.models.onnx.runtime import DeviceUnavailableError, require_torch_device
from streamer.models.transformers_speech.contract import Loaded, SpeechModel
from streamer.models.transformers_speech.prefix_decoder import TransformersSpeech
from streamer.models.transformers_speech.speech_llm import (
    GraniteSpeechKind,
    Qwen2AudioKind,
    Qwen3AsrKind,
    SpeechLlmKind,
    VoxtralKind,
)
from streamer.models.transformers_speech.voxtral_realtime import RealtimeSettings, RealtimeSpeech
from streamer.models.transformers_speech.whisper import WhisperKind


@dataclass(frozen=True, slots=True)
class _Known:
    library_class: str
    kind: type[WhisperKind] | type[SpeechLlmKind] | None
    """None for the one that goes in step with the sound."""


_KNOWN: Final = {
    "granite_speech": _Known("GraniteSpeechForConditionalGeneration", GraniteSpeechKind),
    "qwen2_audio": _Known("Qwen2AudioForConditionalGeneration", Qwen2AudioKind),
    "qwen3_asr": _Known("Qwen3ASRForConditionalGeneration", Qwen3AsrKind),
    "voxtral": _Known("VoxtralForConditionalGeneration", VoxtralKind),
    "voxtral_realtime": _Known("VoxtralRealtimeForConditionalGeneration", None),
    "whisper": _Known("WhisperForConditionalGeneration", WhisperKind),
}
"""By the `model_type` in a folder's `config.json`."""
TRANSDUCER: Final = "nemotron_asr_streaming"
"""That of a kind that is heard in another way: see `streamer.models.card.transducer`."""


def read_speech_config(folder: Path, name: str) -> Mapping[str, Any]:
    """Of a speech model; it has a `model_type`.

    Raises:
        ModelMissingError: there is none.
        ModelCorruptError: it is of something else.
    """
    with opening(name, "a speech model"):
        config: Mapping[str, Any] = json.loads((folder / "config.json").read_text())
        return {**config, "model_type": config["model_type"]}


def load_speech_model(
    folder: Path, *, name: str | None = None, threads: int = 1, device: str = "cpu"
) -> SpeechModel:
    """Opens a speech model of the transformers library; on a GPU in half precision.

    Args:
        folder: with `config.json`, the weights, the tokenizer and `preprocessor_config.json`.
        name: what to call it; else the folder.
        threads: CPU threads that one pass may use.
        device: "cpu" or "cuda".

    Raises:
        ModelMissingError: a file or package is missing.
        ModelCorruptError: it is no speech model of a known kind at 16 kHz.
        DeviceUnavailableError: CUDA is wanted and not there, or has too little memory.
    """
    name = name or str(folder)
    require_torch_device(device)
    torch.set_num_threads(threads)
    config = read_speech_config(folder, name)
    model_type = str(config["model_type"])
    known = _KNOWN.get(model_type)
    if known is None:
        kinds = ", ".join(sorted([*_KNOWN, *MOONSHINES, TRANSDUCER]))
        raise ModelCorruptError(f"{name} is of the kind {model_type}; speech models can be {kinds}")
    library_class: Any = getattr(transformers, known.library_class, None)
    if library_class is None:
        raise ModelMissingError(
            f"{name} needs a newer transformers library; pip install --upgrade transformers"
        )
    if config.get("has_lora_adapter") and importlib.util.find_spec("peft") is None:
        raise ModelMissingError(f"{name} hears with the help of an adapter; pip install peft")
    attends = known.kind is not None and issubclass(known.kind, WhisperKind)
    with opening(name, f"a {model_type} model"):
        model = library_class.from_pretrained(
            folder,
            dtype=precision(device),
            trust_remote_code=False,
            # Attention can be looked at in eager mode only.
            **({"attn_implementation": "eager"} if attends else {}),
        )
        loaded = Loaded(
            model.eval(),
            transformers.AutoFeatureExtractor.from_pretrained(folder, trust_remote_code=False),
            # Where the tokenizer is Mistral's own, the library's reading of it does.
            transformers.AutoTokenizer.from_pretrained(
                folder, mistral_format=False, trust_remote_code=False
            ),
        )
    if loaded.extractor.sampling_rate != SAMPLE_RATE:
        raise ModelCorruptError(
            f"{name} hears {loaded.extractor.sampling_rate} Hz; {SAMPLE_RATE} Hz is needed"
        )
    try:
        model.to(device)
    except torch.OutOfMemoryError as error:
        raise DeviceUnavailableError(
            f"{name} does not fit into the GPU's memory; choose a smaller model, or --device cpu"
        ) from error
    if known.kind is None:
        delay = loaded.model.config.default_num_delay_tokens
        return RealtimeSpeech(name, loaded, RealtimeSettings.read(folder, delay))
    return TransformersSpeech(name, loaded, known.kind(loaded))


def precision(device: str) -> torch.dtype:
    """Of the weights of models by name: half on a GPU."""
    if device == "cpu":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
