"""What can go wrong with a model, each in one line that says what to do."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_LIBRARIES: Final = ("torch", "transformers")


class ModelError(RuntimeError):
    """A model cannot be used; the message says why and what to do, in one line."""


class ModelMissingError(ModelError):
    """The model, or a file of it, is not on this machine."""


class ModelCorruptError(ModelError):
    """A file's bytes are not those that the project was tested with."""


class ModelCacheError(ModelError):
    """The cache folder cannot be written."""


class NoRoomError(RuntimeError):
    """A graphics card has no memory for what a session asks; the others go on. The message says
    what to do."""


class ModelLanguageError(ModelError):
    """The model does not know the language that was asked for."""


def require_torch(name: str) -> None:
    """For models that the transformers library runs: captions need neither it nor PyTorch.

    Raises:
        ModelMissingError: one of them is not installed.
    """
    missing = [library for library in _LIBRARIES if importlib.util.find_spec(library) is None]
    if missing:
        raise ModelMissingError(
            f"the model {name} needs {' and '.join(missing)}; install the extra: "
            "pip install 'streamer[torch]' (in a checkout: pip install -e '.[torch]')"
        )


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
