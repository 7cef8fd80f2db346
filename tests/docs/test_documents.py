"""The documents say what the program says, and point to what is there."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import pytest

from benchmarks.report.tables import result_tables
from tests.docs.blocks import DOCS, DOCUMENTS, ROOT, blocks
from tests.docs.tables import HOW_TO_RENEW, WITH_TABLES, commands, names_in, renewed

RUN = {
    "python": "test_examples.py",
    "bash": "test_examples.py",
    "js": "test_page_example.py",
    "nginx": "test_deployment.py",
    "caddyfile": "test_deployment.py",
}
"""Every language of a block, and what runs it."""

LINK = re.compile(r"(?<!!)\[[^]]*\]\(([^)\s]+)\)")
BENCHMARK = re.compile(r"\bbenchmarks\.[a-z_]+(?:\.[a-z_]+)*")
OUR_VARIABLE = re.compile(r"\bSTREAMER_[A-Z_]+\b")


@pytest.mark.parametrize("path", WITH_TABLES, ids=lambda path: path.name)
def test_tables_are_what_the_program_and_the_results_say(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    anew = renewed(text)
    if text != anew:
        changes = difflib.unified_diff(text.splitlines(), anew.splitlines(), lineterm="", n=0)
        pytest.fail(f"{path.name} is behind; {HOW_TO_RENEW}:\n" + "\n".join(changes))


def test_every_table_of_results_is_shown() -> None:
    shown = {name for path in WITH_TABLES for name in names_in(path.read_text(encoding="utf-8"))}
    assert result_tables().keys() <= shown


def test_named_benchmarks_exist() -> None:
    for path in [*WITH_TABLES, ROOT / "benchmarks" / "README.md"]:
        for name in set(BENCHMARK.findall(path.read_text(encoding="utf-8"))):
            module = ROOT / name.replace(".", "/")
            assert module.is_dir() or module.with_suffix(".py").is_file(), f"{path.name}: {name}"


def test_every_setting_has_a_meaning() -> None:
    for path in DOCUMENTS:
        for row in re.findall(r"^\| [^\n]*\|  \|$", path.read_text(encoding="utf-8"), re.MULTILINE):
            assert "see " in row, f"docs/{path.name}: say in the source what this is: {row}"


def test_every_command_is_told() -> None:
    told = names_in((DOCS / "configuration.md").read_text(encoding="utf-8"))
    missing = {f"streamer {name}" for name in commands()} - set(told)
    assert not missing, f"add `<!-- table: … -->` for {missing} to docs/configuration.md"


def test_every_variable_is_told_and_there() -> None:
    told = _variables([DOCS / "configuration.md"])
    folders = ("streamer", "models", "clients", "benchmarks")
    used = _variables([source for name in folders for source in (ROOT / name).rglob("*.py")])
    assert used == told, "docs/configuration.md tells others than the program reads"
    assert _variables([*DOCUMENTS, ROOT / "README.md"]) <= used


@pytest.mark.parametrize(
    "path",
    [*WITH_TABLES, ROOT / "PROTOCOL.md", ROOT / "benchmarks" / "README.md"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_links_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.exists(), f"{path.name}: {target}"
        if anchor:
            assert anchor in _anchors(linked), f"{path.name}: {target}"


def test_every_block_is_run() -> None:
    assert {block.language for block in blocks()} <= set(RUN)


def _variables(paths: list[Path]) -> set[str]:
    found = (OUR_VARIABLE.findall(path.read_text(encoding="utf-8")) for path in paths)
    return {name for names in found for name in names if not name.endswith("_")}


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
