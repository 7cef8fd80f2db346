"""Where the caption page lies in this installation."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def page_folder() -> Path | None:
    """The folder of the page's files; None if this installation came without them."""
    folder = Path(str(resources.files("streamer.client"))) / "web"
    return folder if folder.is_dir() else None
