"""From the name a person gives to the emotion model behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from streamer.models.emotion.classifier import EmotionClassifier, EmotionModel
from streamer.models.errors import require_torch
from streamer.models.store.zoo import HUB_PREFIX, Zoo

_FILE: Final = "emotion.onnx"


def load_emotion_model(name: str, zoo: Zoo, *, device: str = "cpu") -> EmotionModel:
    """Opens an emotion model.

    Args:
        name: `emotion` for the project's own; a folder, with an `emotion.onnx` of the recipe or
            a model of the transformers library; or `hub:owner/repository@commit` for the latter.
        zoo: where the project's own is found.
        device: "cpu" or "cuda".

    Raises:
        ModelError: it is missing, cannot be fetched, or is not a fitting model.
        DeviceUnavailableError: the device is not usable.
    """
    on_hub = name.startswith(HUB_PREFIX)
    folder = Path(name)
    known = any(entry.name == name for entry in zoo.list())
    if known or (not on_hub and (not folder.is_dir() or (folder / _FILE).is_file())):
        return EmotionClassifier(zoo.path(name, _FILE), device=device)
    folder = zoo.folder(name)
    require_torch(name)
    # Imports torch, which the project's own model does without.
    from streamer.models.emotion.transformers_classifier import TransformersEmotion

    return TransformersEmotion(folder, name=name, device=device)
