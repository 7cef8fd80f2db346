"""Fetching files from a model hub: only ever for names that ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamer.models.errors import ModelMissingError


def fetch_from_hub(repository: str, file: str) -> Path:
    """Fetch, or find in the hub's own cache, one file of a hub repository.

    Raises:
        ModelMissingError: the hub or the file cannot be reached.
    """
    # Imported late: the hub's client is slow to load and most runs never need it.
    from huggingface_hub import hf_hub_download

    with _unreachable(f"{file} of {repository}"):
        return Path(hf_hub_download(repository, file))


def fetch_folder_from_hub(repository: str) -> Path:
    """Fetch, or find in the hub's own cache, the configuration and the weights of a repository.

    Raises:
        ModelMissingError: the hub or the repository cannot be reached.
    """
    from huggingface_hub import snapshot_download

    with _unreachable(repository):
        patterns = ["*.json", "*.jinja", "*.txt", "*.safetensors"]
        folder = Path(snapshot_download(repository, allow_patterns=patterns))
        if not any(folder.glob("*.safetensors")):
            snapshot_download(repository, allow_patterns=["*.bin"])
        return folder


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
