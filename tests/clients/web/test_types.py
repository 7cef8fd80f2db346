"""TypeScript reads the page's scripts and `client.d.ts` as somebody who uses them would."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from streamer.protocol.messages import SERVER_EVENT
from tests.docs.blocks import ROOT, blocks

WEB = ROOT / "clients" / "web"
COMPILER = Path("typescript", "node_modules", ".bin", "tsc")
"""Where `make typescript` puts it, inside the environment's folder."""


@pytest.fixture(scope="session")
def compiler() -> str:
    installed = Path(sys.prefix) / COMPILER
    found = str(installed) if installed.exists() else shutil.which("tsc")
    if found is None:
        pytest.skip("no TypeScript here; `make typescript` installs it")
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The page's scripts, programs that use them, and what the server sends as types."""
    shutil.copytree(WEB, tmp_path, dirs_exist_ok=True)
    shutil.copytree(Path(__file__).parent, tmp_path, dirs_exist_ok=True)
    protocol = tmp_path / "protocol"
    shutil.copy(protocol / "client.js", protocol / "implementation.js")
    (example,) = blocks("js")
    (tmp_path / "example.ts").write_text(example.text)
    (tmp_path / "wire.ts").write_text(_wire_types())
    return tmp_path


def test_scripts_declarations_and_programs_agree(compiler: str, project: Path) -> None:
    assert _complaints(compiler, project) == ""


def test_differences_are_found(compiler: str, project: Path) -> None:
    declarations, wire = project / "protocol" / "client.d.ts", project / "wire.ts"
    _edit(declarations, "export function retryDelayMs", "export function retryDelayS")
    _edit(declarations, "  finalize(): void;", "")
    _edit(declarations, "push(chunk: Chunk | SplitChunk): void", "push(samples: Int16Array): void")
    _edit(wire, "  resume_ms: number;", "  resume_s: number;")
    _edit(wire, "  lag_ms: number;", "  lag_ms: string;")
    complaints = _complaints(compiler, project)
    lines = (project / "drift.ts").read_text().splitlines()
    for name in ("exported", "members", "asDeclared", "fields", "event"):
        (number,) = (n for n, line in enumerate(lines, 1) if f"const {name}" in line)
        assert f"drift.ts({number}," in complaints, name


def _edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def _complaints(compiler: str, project: Path) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        [compiler, "--project", str(project)],
        cwd=project,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode == 0) == (done.stdout == ""), done.stderr
    return done.stdout


def _wire_types() -> str:
    """The server's events as TypeScript."""
    schema = SERVER_EVENT.json_schema(mode="serialization")
    known: dict[str, dict[str, Any]] = schema["$defs"]
    lines = [
        f"export interface {name} {{\n"
        + "".join(f"  {field}: {_type(kind)};\n" for field, kind in model["properties"].items())
        + "}\n"
        if "properties" in model
        else f"export type {name} = {_type(model)};\n"
        for name, model in known.items()
    ]
    events = " | ".join(_type(kind) for kind in schema["oneOf"])
    return "".join(lines) + f"export type ServerEvent = {events};\n"


def _type(kind: dict[str, Any]) -> str:
    if "$ref" in kind:
        return str(kind["$ref"]).rpartition("/")[2]
    if "anyOf" in kind:
        return " | ".join(_type(each) for each in kind["anyOf"])
    if "const" in kind or "enum" in kind:
        return " | ".join(f'"{value}"' for value in kind.get("enum", [kind.get("const")]))
    match kind["type"]:
        case "array":
            return f"Array<{_type(kind['items'])}>"
        case "object":
            return f"Record<string, {_type(kind['additionalProperties'])}>"
        case name:
            return "number" if name == "integer" else str(name)
