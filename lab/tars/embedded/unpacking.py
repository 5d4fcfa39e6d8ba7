"""Packages put in place as tarsnode does it: descend single directories, the rest is ``bin/``.

Source: BatchPatchThread.cpp of TarsFramework.
"""

from __future__ import annotations

import shutil
import tarfile
import zlib
from pathlib import Path


class BrokenPackage(Exception):
    """What was published is no archive that can be unpacked."""


def put_in_place(archive: Path, bin_directory: Path) -> None:
    """Replace ``bin_directory`` by what ``archive`` (.tgz) holds, whole or not at all.

    Raises `BrokenPackage`; what was there before is then untouched.
    """
    fresh = bin_directory.with_name(f"{bin_directory.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            tar.extractall(fresh, filter="data")
        top = fresh
        while len(inside := list(top.iterdir())) == 1 and inside[0].is_dir():
            top = inside[0]
        shutil.rmtree(bin_directory, ignore_errors=True)
        top.rename(bin_directory)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise BrokenPackage(f"cannot unpack {archive.name}: {error}") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
