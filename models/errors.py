"""What can go wrong with a model, each in one line that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class ModelError(RuntimeError):
    """A model cannot be used; the message says why and what to do, in one line."""


class ModelMissingError(ModelError):
    """The model, or a file of it, is not on this machine."""


class ModelCorruptError(ModelError):
    """A file's bytes are not those that the project was tested with."""


class ModelCacheError(ModelError):
    """The cache folder cannot be written."""


class ModelLanguageError(ModelError):
    """The model does not know the language that was asked for."""


@contextmanager
def opening(name: str, what: str) -> Iterator[None]:
    """For what the transformers library raises when it opens a folder.

    Args:
        name: the model's.
        what: it should be: "a model that …".

    Raises:
        ModelMissingError: a file is not in the folder.
        ModelCorruptError: the folder holds something else.
    """
    try:
        yield
    except OSError as error:
        raise ModelMissingError(
            f"the model {name} is not complete ({_first_line(error)})"
        ) from error
    except (ValueError, KeyError, RuntimeError) as error:
        raise ModelCorruptError(f"{name} is not {what} ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
