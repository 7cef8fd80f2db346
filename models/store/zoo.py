"""From a model's name to its files, verified.

Where a file comes from, in this order: the installed package that ships it, a local folder
(`STREAMER_MODELS/<model>/<file>`), and only for names that say so
(`hub:owner/repository@commit`), a model hub. Nothing else touches the network. A name that is a
folder is used as it stands.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import platformdirs
from filelock import FileLock, Timeout

from streamer.models.errors import ModelCacheError, ModelCorruptError, ModelMissingError
from streamer.models.store.catalog import CATALOG, ModelEntry, ModelFile, PackagedFile
from streamer.models.store.checksum import StampStore, blocks, sha256_of
from streamer.models.store.derived import damage, is_sealed, seal
from streamer.models.store.hub import Weights, fetch_folder_from_hub, fetch_from_hub
from streamer.models.store.progress import Progress, Reached

logger = logging.getLogger(__name__)

CACHE_VARIABLE: Final = "STREAMER_CACHE"
MODELS_VARIABLE: Final = "STREAMER_MODELS"
HUB_PREFIX: Final = "hub:"
_BUILDING: Final = ".building"
_SEAL: Final = "seal 1"
"""Program versions that seal folders otherwise must not take each other's for damaged."""


class FileState(StrEnum):
    OK = "ok"
    MISSING = "missing"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True)
class FileStatus:
    """What `Zoo.verify` found; `path` is None for a file that is missing or still in parts."""

    file: str
    state: FileState
    path: Path | None
    sha256: str


class Zoo:
    """Finds, verifies and prepares models. Cheap to make; safe in several processes at once."""

    def __init__(
        self,
        cache_dir: Path | None = None,
        *,
        models_dir: Path | None = None,
        catalog: tuple[ModelEntry, ...] = CATALOG,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """
        Args:
            cache_dir: for joined and converted models; else `STREAMER_CACHE`, else the user's
                cache folder.
            models_dir: a folder of models, `<model>/<file>`; else `STREAMER_MODELS`, else none.
            say: is told what is built into the cache, and now and then how far that is.
        """
        self._say = say
        cache = cache_dir or os.environ.get(CACHE_VARIABLE)
        local = models_dir or os.environ.get(MODELS_VARIABLE)
        self._cache_dir = Path(cache or platformdirs.user_cache_dir("streamer"))
        self._stamps = StampStore(self._cache_dir / "verified")
        self._models_dir = Path(local) if local else None
        self._catalog = {entry.name: entry for entry in catalog}

    @property
    def cache_dir(self) -> Path:
        return self._cache_dir

    def list(self) -> tuple[ModelEntry, ...]:
        """The models that can be asked for by name."""
        return tuple(self._catalog.values())

    def entry(self, name: str) -> ModelEntry:
        """
        Raises:
            ModelMissingError: no model has this name.
        """
        try:
            return self._catalog[name]
        except KeyError:
            known = ", ".join(self._catalog)
            raise ModelMissingError(
                f"there is no model {name!r}; choose from {known}, a folder, "
                f"or {HUB_PREFIX}owner/repository@commit"
            ) from None

    def path(self, name: str, file: str) -> Path:
        """The verified file. A file that ships in parts is joined in the cache first.

        Full hashing happens once; later calls compare size and modification time.

        Raises:
            ModelMissingError: it is nowhere on this machine, or has no such file.
            ModelCorruptError: its checksum is wrong.
            ModelCacheError: its parts cannot be joined for want of a writable cache.
        """
        if name.startswith(HUB_PREFIX):
            return fetch_from_hub(name.removeprefix(HUB_PREFIX), file)
        if name not in self._catalog and Path(name).is_dir():
            return _existing(Path(name) / file, f"put it into the folder {name}")
        entry, wanted = self._find(name, file)
        found = self._locate(entry, wanted)
        if found is None:
            if any(_packaged(part) is None for part in wanted.parts):
                raise _missing(entry, file)
            return self._joined(entry, wanted)
        if not self._stamps.has(found, wanted.sha256):
            if sha256_of([found]) != wanted.sha256:
                raise _corrupt(entry, found)
            self._stamps.add(found, wanted.sha256)
        return found

    def folder(
        self, name: str, weights: Weights = Weights.SAFETENSORS, *, library: bool = True
    ) -> Path:
        """The folder of a model that is not the project's own: a local one as it stands, or
        fetched from a hub with `weights` of this form.

        Args:
            library: whether the transformers library is to open safetensors.

        Raises:
            ModelMissingError: it is neither, or cannot be fetched.
        """
        if name.startswith(HUB_PREFIX):
            return fetch_folder_from_hub(name.removeprefix(HUB_PREFIX), weights, library=library)
        if not Path(name).is_dir():
            kind = self.entry(name).kind
            raise ModelMissingError(f"{name} is another kind of model: {kind}")
        return Path(name)

    def join(self, name: str, file: str, target: Path) -> None:
        """Write a verified copy of the file to `target`, joining its parts.

        Raises:
            ModelMissingError: it is nowhere on this machine, or has no such file.
            ModelCorruptError: its checksum is wrong; `target` is removed again.
        """
        entry, wanted = self._find(name, file)
        found = self._locate(entry, wanted)
        sources = [found] if found else [_packaged(part) for part in wanted.parts]
        digest = hashlib.sha256()
        with target.open("wb") as out:
            for source in sources:
                if source is None:
                    raise _missing(entry, file)
                for block in blocks(source):
                    digest.update(block)
                    out.write(block)
        if digest.hexdigest() != wanted.sha256:
            target.unlink()
            raise _corrupt(entry, found or Path(file))

    def verify(self, name: str) -> tuple[FileStatus, ...]:
        """Hash every file of the model anew; trusts no stamp.

        Raises:
            ModelMissingError: no model has this name.
        """
        entry = self.entry(name)
        return tuple(self._status(entry, file) for file in entry.files)

    def derived(
        self,
        name: str,
        build: Callable[[Path, Reached], None],
        version: str,
        checksums: Sequence[str] | None = None,
    ) -> Path:
        """A folder in the cache that `build` fills from the model, once, telling how far it is.

        It is built beside its final place and moved there when complete, so that nobody sees
        half of it; a second process waits for the first. A new `version`, or other checksums
        of the model, give another folder. Its files carry checksums; one that is damaged makes
        the folder be built again. The `checksums` are given for files that the catalog does not
        have; `name` then is any.

        Raises:
            ModelMissingError: no model has this name.
            ModelCacheError: the cache folder cannot be written.
        """
        if checksums is None:
            checksums = [file.sha256 for file in self.entry(name).files]
        parts = [name, version, _SEAL, *checksums]
        key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
        target = self._cache_dir / "derived" / f"{name}-{key}"
        if is_sealed(target) and damage(target) is None:
            return target
        with self._locked(target):
            if is_sealed(target):
                damaged = damage(target)
                if damaged is None:
                    return target
                logger.warning("%s in the cache is damaged; %s is built again", damaged, name)
            building = target.with_name(f"{target.name}{_BUILDING}")
            for leftover in (building, target):
                shutil.rmtree(leftover, ignore_errors=True)
            try:
                building.mkdir()
                progress = Progress(f"converting {name} into the cache", self._say)
                build(building, progress.reached)
                seal(building)
                building.rename(target)
            except OSError as error:
                raise _unwritable(self._cache_dir, error) from error
            finally:
                shutil.rmtree(building, ignore_errors=True)
        return target

    def verify_derived(self) -> tuple[FileStatus, ...]:
        """Hash every file that was built into the cache anew. A damaged one is built again when
        it is wanted next. What was left half-made is removed."""
        found = []
        for folder in sorted((self._cache_dir / "derived").glob("*/")):
            if folder.name.endswith(_BUILDING):
                self._remove_abandoned(folder)
                continue
            damaged = damage(folder, thorough=True)
            state = FileState.OK if damaged is None else FileState.CORRUPT
            file = folder.name if damaged is None else f"{folder.name}/{damaged}"
            found.append(FileStatus(file, state, folder, ""))
        return tuple(found)

    def _remove_abandoned(self, building: Path) -> None:
        """Unless somebody is at it."""
        target = building.with_name(building.name.removesuffix(_BUILDING))
        with contextlib.suppress(Timeout, OSError), FileLock(_lock_path(target), timeout=0):
            shutil.rmtree(building, ignore_errors=True)

    def _find(self, name: str, file: str) -> tuple[ModelEntry, ModelFile]:
        entry = self.entry(name)
        for wanted in entry.files:
            if wanted.name == file:
                return entry, wanted
        names = ", ".join(wanted.name for wanted in entry.files)
        raise ModelMissingError(f"the model {name} has no file {file!r}; it has {names}")

    def _locate(self, entry: ModelEntry, wanted: ModelFile) -> Path | None:
        """Where the whole file is; None if it is in parts or absent."""
        candidates = [_packaged(wanted.parts[0])] if len(wanted.parts) == 1 else []
        if self._models_dir is not None:
            candidates.append(self._models_dir / entry.name / wanted.name)
        return next((path for path in candidates if path is not None and path.is_file()), None)

    def _joined(self, entry: ModelEntry, wanted: ModelFile) -> Path:
        target = self._cache_dir / "joined" / entry.name / wanted.name
        with self._locked(target):
            if target.is_file() and self._stamps.has(target, wanted.sha256):
                return target
            partial = target.with_name(f".{target.name}.partial")
            try:
                self.join(entry.name, wanted.name, partial)
                partial.replace(target)
            except OSError as error:
                raise _unwritable(self._cache_dir, error) from error
            self._stamps.add(target, wanted.sha256)
        return target

    @contextlib.contextmanager
    def _locked(self, target: Path) -> Iterator[None]:
        """Hold the lock beside `target`, in a folder that exists."""
        lock = FileLock(_lock_path(target))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            raise _unwritable(self._cache_dir, error) from error
        try:
            yield
        finally:
            lock.release()

    def _status(self, entry: ModelEntry, wanted: ModelFile) -> FileStatus:
        found = self._locate(entry, wanted)
        sources = [found] if found else [_packaged(part) for part in wanted.parts]
        present = [source for source in sources if source is not None]
        if len(present) < len(sources):
            return FileStatus(wanted.name, FileState.MISSING, None, wanted.sha256)
        state = FileState.OK if sha256_of(present) == wanted.sha256 else FileState.CORRUPT
        return FileStatus(wanted.name, state, found, wanted.sha256)


def _packaged(part: PackagedFile) -> Path | None:
    """Where an installed package keeps the file. The package is not imported."""
    spec = importlib.util.find_spec(part.package)
    if spec is None:
        return None
    folders = spec.submodule_search_locations or []
    candidates = (Path(folder, *part.path.split("/")) for folder in folders)
    return next((path for path in candidates if path.is_file()), None)


def _lock_path(target: Path) -> Path:
    return target.with_name(f".{target.name}.lock")


def _existing(path: Path, advice: str) -> Path:
    if not path.is_file():
        raise ModelMissingError(f"{path} does not exist; {advice}")
    return path


def _missing(entry: ModelEntry, file: str) -> ModelMissingError:
    return ModelMissingError(
        f"the model {entry.name} is not installed ({file} was not found); {entry.install}"
    )


def _corrupt(entry: ModelEntry, path: Path) -> ModelCorruptError:
    return ModelCorruptError(
        f"{path} of the model {entry.name} is damaged or another version (wrong SHA-256); "
        f"install it again: {entry.install}"
    )


def _unwritable(cache_dir: Path, error: OSError) -> ModelCacheError:
    return ModelCacheError(
        f"the cache folder {cache_dir} cannot be written ({error.strerror}); "
        f"set {CACHE_VARIABLE} to a folder that can"
    )
