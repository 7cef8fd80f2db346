"""What an installation brings along: recordings, and the caption page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SpeechClip:
    """A recording; `label` is the acted emotion, None where nothing was acted."""

    path: Path
    text: str
    speaker: str
    label: str | None
    source: str
    duration_s: float
    licence: str


def bundled_speech() -> list[SpeechClip]:
    """All shipped recordings, in the order that the demo plays them.

    Raises:
        FileNotFoundError: this installation came without them.
    """
    folder = Path(str(resources.files("streamer.client"))) / "speech"
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [SpeechClip(**(row | {"path": folder / row["path"]})) for row in rows]


def page_folder() -> Path | None:
    """The folder of the caption page; None if this installation came without it."""
    folder = Path(str(resources.files("streamer.client"))) / "web"
    return folder if folder.is_dir() else None
