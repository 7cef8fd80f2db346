"""What `--device` may name, and how requests wait for each other there."""

from __future__ import annotations

from typing import Annotated

import typer

from streamer.models.devices import cuda_index


def checked_device(device: str) -> str:
    """Raises typer.BadParameter: it is no device."""
    try:
        cuda_index(device)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return device


BatchWaitOption = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1_000.0,
        envvar="STREAMER_BATCH_WAIT_MS",
        help="On a graphics card, what a session asks a model waits so many milliseconds, at most, "
        "for others to ask it too.",
        metavar="MS",
    ),
]
