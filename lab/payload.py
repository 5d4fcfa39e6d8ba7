"""What travels to bare hosts: archives of Python packages, Node, npm packages, by content.

An archive is a tar file in the cache, named by the SHA-256 of its content; building the
same content twice gives the same bytes, so a host never receives it twice.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
import json
import os
import tarfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from lab.errors import ToolMissing
from lab.modules import with_imports

ROOT = Path(__file__).resolve().parent.parent

#: Files of archives in the cache, two for each.
KEPT = 64
#: Seconds. Somebody may still be bringing to a host what was used so lately.
RECENT_S = 3600.0


def cache_dir() -> Path:
    """The project's own cache: ``$IEC4_CACHE``, else ``.iec4/cache`` in the checkout."""
    directory = Path(os.environ.get("IEC4_CACHE") or ROOT / ".iec4" / "cache")
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def python_runtime(
    distributions: Iterable[str], modules: Iterable[str], *, without: Iterable[str] = ()
) -> tuple[Path, str]:
    """An archive to put on PYTHONPATH: installed distributions, with what they need, and
    modules of the suite (``"lab/tars"``, ``"lab/wait.py"``) with those that they import,
    which keep their paths.

    ``without``: distributions (canonical names) that are needed in name only, and left out.
    Returns ``(path, sha256)``. Raises `ToolMissing` for a distribution that is not installed.
    """
    return archive(python_files(distributions, modules, without=without))


def python_files(
    distributions: Iterable[str], modules: Iterable[str], *, without: Iterable[str] = ()
) -> dict[str, Path]:
    """What `python_runtime` archives: name → local file."""
    files: dict[str, Path] = {}
    for distribution in sorted(_closure(distributions) - set(without)):
        files.update(_files_of(distribution))
    sources = (path for module in modules for path in _source_files(ROOT / module))
    files.update((str(path.relative_to(ROOT)), path) for path in with_imports(sources, ROOT))
    return files


def archive(files: dict[str, Path]) -> tuple[Path, str]:
    """A reproducible, compressed tar of ``{name in the archive: local file}``, in the cache.

    The sizes and times of the files decide whether it must be built again. The cache keeps
    the `KEPT` files that were used last, and whatever was within `RECENT_S`.
    """
    stamp = hashlib.sha256(
        json.dumps(
            [
                (name, str(path), (s := path.stat()).st_size, s.st_mtime_ns)
                for name, path in sorted(files.items())
            ]
        ).encode()
    ).hexdigest()
    directory = cache_dir() / "payloads"
    directory.mkdir(exist_ok=True)
    index = directory / f"{stamp}.index"
    with suppress(FileNotFoundError):
        digest = index.read_text()
        stored = directory / f"{digest}.tgz"
        for used in (index, stored):
            os.utime(used)
        return stored, digest
    unfinished = directory / f"{stamp}.{os.getpid()}.tmp"
    # SSH between two Pythons carries 25 MB/s, so even the quickest compression pays.
    with (
        unfinished.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, path in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size = path.stat().st_size
            info.mode = 0o755 if os.access(path, os.X_OK) else 0o644
            with path.open("rb") as content:
                tar.addfile(info, content)
    with unfinished.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    stored = directory / f"{digest}.tgz"
    unfinished.rename(stored)
    index.write_text(digest)
    _prune(directory)
    return stored, digest


def _prune(directory: Path) -> None:
    """Remove what has not been used lately but for the last few; what a kill left, too."""
    now = time.time()
    ages = []
    for path in directory.iterdir():
        with suppress(FileNotFoundError):  # somebody else prunes, too
            ages.append((now - path.stat().st_mtime, path))
    for age, path in sorted(ages)[KEPT:]:
        if age > RECENT_S:
            path.unlink(missing_ok=True)


def _closure(names: Iterable[str]) -> set[str]:
    """The distributions and all that they need on this machine, by importlib.metadata."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: set[str] = set()
    todo = [canonicalize_name(name) for name in names]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            raise ToolMissing(
                f"Python distribution {name} is not installed",
                advice="run ./iec4 again: it repairs its environment",
            ) from None
        found.add(name)
        for text in requires:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                todo.append(canonicalize_name(requirement.name))
    return found


def _files_of(distribution: str) -> Iterator[tuple[str, Path]]:
    for file in importlib.metadata.files(distribution) or []:
        name = str(file)
        if name.startswith("..") or name.endswith(".pyc"):
            continue
        path = Path(str(file.locate()))
        if path.is_file():
            yield name, path


def _source_files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
        return
    for path in place.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path
