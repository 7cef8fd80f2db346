"""The real speech models, for tests of what is built on them."""

from tests.speech_models import clips, moonshine_files, speech_models

__all__ = ["clips", "moonshine_files", "speech_models"]
