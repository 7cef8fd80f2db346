"""The real speech models."""

from tests.speech_models import clips, moonshine_files, speech_models

__all__ = ["clips", "moonshine_files", "speech_models"]
