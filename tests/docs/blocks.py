"""The fenced blocks of the documents, so that tests can run them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
DOCUMENTS: Final = sorted(DOCS.glob("*.md"))
_LINE: Final = re.compile(r"^(?:(?P<level>#+) (?P<heading>.*)|```(?P<language>\w*))$")


@dataclass(frozen=True)
class Block:
    document: str
    heading: str
    language: str
    number: int
    """Of its language under its heading, from 1."""
    text: str

    @property
    def id(self) -> str:
        return f"{self.document}: {self.heading} ({self.language} {self.number})"


def blocks(*languages: str) -> list[Block]:
    """Those of all documents in these languages; all if none is named."""
    found = [block for path in DOCUMENTS for block in blocks_of(path)]
    return [block for block in found if not languages or block.language in languages]


def blocks_of(path: Path) -> Iterator[Block]:
    """Raises ValueError: a block is not closed."""
    heading, language, inside = "", None, list[str]()
    counts = dict[tuple[str, str], int]()
    for line in path.read_text(encoding="utf-8").splitlines():
        found = _LINE.match(line)
        if language is not None:
            if line != "```":
                inside.append(line)
                continue
            number = counts[heading, language] = counts.get((heading, language), 0) + 1
            yield Block(path.name, heading, language, number, "\n".join(inside) + "\n")
            language, inside = None, []
        elif found is not None and found["heading"] is not None:
            heading = found["heading"]
        elif found is not None:
            language = found["language"]
    if language is not None:
        raise ValueError(f"{path.name} has a block that is not closed")
