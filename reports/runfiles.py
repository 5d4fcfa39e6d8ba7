"""The files of a run, wherever they lie: in its directory, or in an archive of it.

A run may come from outside. Nothing is unpacked to disk; a name from inside a run never
leads out of it; links, pipes and devices are not opened; sizes and numbers have limits.
"""

from __future__ import annotations

import errno
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from blueprints.archives import DAMAGED, METHODS
from blueprints.errors import ConfigError
from reports.text import one_line

RESULTS = "allure-results"
#: The largest file that is read, bytes.
FILE_BYTES = 16 * 1024 * 1024
#: An archive: its size, its members, what is read of it unpacked, and how much smaller a
#: member may lie in it.
ARCHIVE_BYTES = 512 * 1024 * 1024
MEMBERS = 200_000
UNPACKED_BYTES = 512 * 1024 * 1024
RATIO = 1000
#: Result files and attachments of one run.
RESULT_FILES = 200_000

_SUFFIX = "-result.json"


class RunFiles(Protocol):
    """What reports read of a run. Every method raises OSError with a sentence in ``strerror``."""

    def run_json(self) -> bytes:
        """The content of ``run.json``."""

    def result_names(self) -> list[str]:
        """The names of the Allure result files, sorted."""

    def result(self, name: str) -> bytes:
        """The content of a file among the Allure results."""


@contextmanager
def open_run(path: Path) -> Iterator[RunFiles]:
    """The files of the run directory, or of the zip archive of one, at ``path``.

    Raises `ConfigError` when an archive cannot be read or holds no run, or several.
    """
    if path.is_file():
        with _archive(path) as archive:
            yield _Archive(path, archive)
    else:
        directory = _Directory(path)
        try:
            yield directory
        finally:
            directory.close()


class _Directory:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._results: int | None = None

    def run_json(self) -> bytes:
        return _read_plain(str(self._path / "run.json"), None)

    def result_names(self) -> list[str]:
        try:
            self._results = os.open(
                self._path / RESULTS, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            )
        except FileNotFoundError:  # the run was cut off before anything was judged
            return []
        with os.scandir(self._results) as entries:
            return _results_among([entry.name for entry in entries])

    def result(self, name: str) -> bytes:
        if os.sep in name or self._results is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return _read_plain(name, self._results)

    def close(self) -> None:
        if self._results is not None:
            os.close(self._results)


def _read_plain(name: str, directory: int | None) -> bytes:
    """A plain file's content; opening waits for nobody, whatever lies there."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=directory)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no plain file")
        if found.st_size > FILE_BYTES:
            raise OSError(errno.EFBIG, f"it is longer than {FILE_BYTES >> 20} MiB")
        return os.read(descriptor, found.st_size)
    finally:
        os.close(descriptor)


def _results_among(names: list[str]) -> list[str]:
    found = sorted(name for name in names if name.endswith(_SUFFIX))
    if len(found) > RESULT_FILES:
        raise OSError(errno.EFBIG, f"there are more than {RESULT_FILES} result files")
    return found


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        if path.stat().st_size > ARCHIVE_BYTES:
            raise ConfigError(f"{path} is longer than {ARCHIVE_BYTES >> 20} MiB")
        opened = zipfile.ZipFile(path)
    except (OSError, *DAMAGED) as error:
        says = one_line(str(error))
        raise ConfigError(f"{path} is neither a run directory nor a zip of one: {says}") from None
    with opened:
        yield opened


class _Archive:
    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._left = UNPACKED_BYTES
        members = archive.infolist()
        if len(members) > MEMBERS:
            raise ConfigError(f"{path} has more than {MEMBERS} members")
        runs = [m.filename for m in members if m.filename.split("/")[-1] == "run.json"]
        if len(runs) != 1:
            found = "no run.json" if not runs else f"{len(runs)} files run.json"
            raise ConfigError(f"{path} holds {found}; it must be the archive of one run directory")
        self._run = runs[0]
        below = f"{runs[0].removesuffix('run.json')}{RESULTS}/"
        self._members: dict[str, zipfile.ZipInfo] = {}
        for member in members:
            name = member.filename.removeprefix(below)
            if member.filename.startswith(below) and name and "/" not in name:
                if name in self._members:
                    raise ConfigError(f"{path} has {name!r} twice")
                self._members[name] = member

    def run_json(self) -> bytes:
        return self._read(self._archive.getinfo(self._run))

    def result_names(self) -> list[str]:
        return _results_among(list(self._members))

    def result(self, name: str) -> bytes:
        member = self._members.get(name)
        if member is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return self._read(member)

    def _read(self, member: zipfile.ZipInfo) -> bytes:
        allowed = min(FILE_BYTES, self._left, max(member.compress_size * RATIO, 4096))
        if member.compress_type not in METHODS:
            raise OSError(errno.EINVAL, "it is packed neither by deflate nor not at all")
        try:
            with self._archive.open(member) as stream:
                content = stream.read(allowed + 1)
        except DAMAGED as error:
            raise OSError(errno.EIO, f"the archive is damaged: {one_line(str(error))}") from None
        if len(content) > allowed:
            raise OSError(errno.EFBIG, "it unpacks to too much")
        self._left -= len(content)
        return content
