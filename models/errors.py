"""What can go wrong with a model, each in one line that says what to do."""

from __future__ import annotations


class ModelError(RuntimeError):
    """A model cannot be used; the message says why and what to do, in one line."""


class ModelMissingError(ModelError):
    """The model, or a file of it, is not on this machine."""


class ModelCorruptError(ModelError):
    """A file's bytes are not those that the project was tested with."""


class ModelCacheError(ModelError):
    """The cache folder cannot be written."""
