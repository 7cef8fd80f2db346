"""The page's scripts import one way, never in a circle."""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from tests.conftest import ROOT

WEB = ROOT / "clients" / "web"
LAYERS = ("reader", "page", "history", "overlay", "captions", "audio", "protocol")
"""The highest first."""
_VALUES = re.compile(r"""\bfrom\s+["']([^"']+)["']""")
_TYPES = re.compile(r"""\bimport\(["']([^"']+)["']\)""")


def scripts() -> list[Path]:
    return sorted(path for path in WEB.rglob("*") if path.suffix in (".js", ".ts"))


def imports(script: Path) -> Iterator[Path]:
    """Scripts that it imports, be it for their types alone."""
    text = script.read_text(encoding="utf-8")
    for address in _VALUES.findall(text):
        yield (script.parent / address).resolve()
    for address in _TYPES.findall(text):
        imported = (script.parent / address).resolve()
        declarations = imported.with_suffix(".d.ts")
        yield declarations if declarations.exists() else imported


def layer(script: Path) -> int:
    return LAYERS.index(script.relative_to(WEB).parts[0])


def test_imports_run_one_way() -> None:
    found = {script: set(imports(script)) for script in scripts()}
    assert set[Path]().union(*found.values()) < found.keys()
    upwards = [
        f"{script.relative_to(WEB)} imports {other.relative_to(WEB)}"
        for script, others in found.items()
        for other in others
        if layer(other) < layer(script)
    ]
    assert upwards == []
    TopologicalSorter(found).prepare()  # raises CycleError
