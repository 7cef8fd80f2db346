"""The real speech models' files, to count what is in them."""

from tests.speech_models import moonshine_files

__all__ = ["moonshine_files"]
