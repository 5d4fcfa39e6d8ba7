"""Packages put in place as tarsnode does it: descend single directories, the rest is ``bin/``.

Source: BatchPatchThread.cpp of TarsFramework.
"""

from __future__ import annotations

import shutil
import tarfile
import zlib
from pathlib import Path

from lab.tars.embedded.architecture import foreign


class BrokenPackage(Exception):
    """What was published is no archive that can be unpacked, or cannot run on this machine."""


def put_in_place(archive: Path, bin_directory: Path, *, any_machine: bool = False) -> None:
    """Replace ``bin_directory`` by what ``archive`` (.tgz) holds, whole or not at all.

    Raises `BrokenPackage`, also for programs that this machine cannot run unless
    ``any_machine``; what was there before is then untouched.
    """
    fresh = bin_directory.with_name(f"{bin_directory.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                _extract(tar, member, fresh)
        top = fresh
        while len(inside := list(top.iterdir())) == 1 and inside[0].is_dir():
            top = inside[0]
        if not any_machine and (reason := foreign(top)):
            raise BrokenPackage(reason)
        shutil.rmtree(bin_directory, ignore_errors=True)
        top.rename(bin_directory)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise BrokenPackage(f"cannot unpack {archive.name}: {error}") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    """Extract a file or directory below ``place``; anything else is refused.

    tarfile's own filters came with 3.11.4; Debian 12 has 3.11.2.
    """
    target = (place / member.name).resolve()
    if not (member.isfile() or member.isdir()) or not target.is_relative_to(place.resolve()):
        raise tarfile.TarError(f"{member.name!r} is no file or directory of the package")
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    assert content is not None  # it is a regular file
    with content, target.open("wb") as out:
        shutil.copyfileobj(content, out)
    target.chmod(0o755 if member.mode & 0o100 else 0o644)
