"""Fetching files from a model hub: only ever for names that ask for it, and name the commit.

A repository, a branch and a tag are whatever their owner puts there tomorrow. Only weights are
fetched that cannot carry code: see `Weights`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from streamer.models.errors import ModelMissingError, require_torch


class Weights(StrEnum):
    """Forms of weights that cannot carry code, by the names of their files."""

    SAFETENSORS = "*.safetensors"
    # Names, shapes and numbers, one tensor after the other, which CTranslate2's own reader reads.
    # The same name may hold a pickle, which runs code in whoever opens it as one; that reader
    # does not, it refuses it. So this name is fetched for CTranslate2 alone.
    CTRANSLATE2 = "model.bin"


def fetch_from_hub(repository: str, file: str) -> Path:
    """Fetch, or find in the hub's own cache, one file of `owner/name@commit`.

    Raises:
        ModelMissingError: no commit is named, or the hub or the file cannot be reached.
    """
    # Imported late: the hub's client is slow to load and most runs never need it.
    from huggingface_hub import hf_hub_download

    repository, revision = _pinned(repository)
    with _unreachable(f"{file} of {repository}"):
        return Path(hf_hub_download(repository, file, revision=revision))


def fetch_folder_from_hub(
    repository: str, weights: Weights = Weights.SAFETENSORS, *, library: bool = True
) -> Path:
    """Fetch, or find in the hub's own cache, configuration and weights of `owner/name@commit`.

    Args:
        library: whether the transformers library is to open safetensors.

    Raises:
        ModelMissingError: no commit is named, the hub or the repository cannot be reached,
            it has no such weights, or what would open them is not installed.
    """
    from huggingface_hub import snapshot_download

    repository, revision = _pinned(repository)
    if weights is Weights.SAFETENSORS and library:
        require_torch(repository)  # before gigabytes are fetched
    patterns = ["*.json", "*.jinja", "*.txt", weights.value]
    with _unreachable(repository):
        folder = Path(snapshot_download(repository, revision=revision, allow_patterns=patterns))
    if not any(folder.glob(weights.value)):
        if weights is Weights.CTRANSLATE2:
            raise ModelMissingError(f"{repository} is no model for CTranslate2 (no {weights})")
        raise ModelMissingError(
            f"{repository} has no weights as safetensors, and others may carry code; convert it, "
            "and give its folder instead of the name"
        )
    return folder


def _pinned(name: str) -> tuple[str, str]:
    repository, _, revision = name.partition("@")
    if not re.fullmatch("[0-9a-f]{40}", revision):
        raise ModelMissingError(
            f"name the commit too, all its 40 digits, hub:{repository}@COMMIT: without it you get "
            "whatever is put there tomorrow; the repository's page lists its commits"
        )
    return repository, revision


@contextmanager
def _unreachable(what: str) -> Iterator[None]:
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        yield
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelMissingError(
            f"{what} could not be fetched from the hub ({reason}); "
            "download it elsewhere and give its folder instead of the name"
        ) from error
