"""From the name a person gives to the emotion model behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from models.emotion import EmotionClassifier, EmotionModel
from models.zoo import HUB_PREFIX, Zoo

_FILE: Final = "emotion.onnx"


def load_emotion_model(name: str, zoo: Zoo, *, device: str = "cpu") -> EmotionModel:
    """Opens an emotion model.

    Args:
        name: `emotion` for the project's own; a folder, with an `emotion.onnx` of the recipe or
            a model of the transformers library; or `hub:owner/repository` for the latter.
        zoo: where the project's own is found.
        device: "cpu" or "cuda".

    Raises:
        models.errors.ModelError: it is missing, cannot be fetched, or is not a fitting model.
        models.runtime.DeviceUnavailableError: the device is not usable.
    """
    folder = Path(name)
    is_transformers = folder.is_dir() and not (folder / _FILE).is_file()
    if name.startswith(HUB_PREFIX) or is_transformers:
        # Imports torch, which the project's own model does without.
        from models.emotion_transformers import TransformersEmotion

        return TransformersEmotion(name.removeprefix(HUB_PREFIX), device=device)
    return EmotionClassifier(zoo.path(name, _FILE), device=device)
