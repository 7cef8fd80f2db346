"""What `--device` may name."""

from __future__ import annotations

import typer

from streamer.models.devices import cuda_index


def checked_device(device: str) -> str:
    """Raises typer.BadParameter: it is no device."""
    try:
        cuda_index(device)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return device
