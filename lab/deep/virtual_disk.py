"""The disk of a deep lab's virtual machine: Debian, made once from the distribution's packages.

It lies in the cache, keyed by all that it is made from; machines write to layers of their own.
What is unfinished has another name, and is removed by whoever makes one next.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from lab.errors import ToolMissing
from lab.payload import cache_dir

RELEASE = "bookworm"
_FROM = Path(__file__).with_name("debian")
_MAKE = _FROM / "make.sh"
_FILES = _FROM / "root"
_PACKAGES = tuple((_FROM / "packages").read_text().split())
#: What it takes, in words, and the bytes that must be free for it.
COST = "2 minutes, 400 MiB"
_FREE_BYTES = 1500 << 20
_TIMEOUT_S = 1200.0
#: A process of its own, with mounts of its own, that ends with us: it leaves nothing mounted.
_ALONE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork")
_ALONE_TOO = ("--kill-child=KILL", "--mount-proc")


class Disk(NamedTuple):
    """A disk (raw, not to be written to), and the kernel and initramfs that boot from it."""

    image: Path
    kernel: Path
    initramfs: Path


def find() -> Disk | None:
    """The disk, where it has been made."""
    place = _place()
    return _of(place) if place.is_dir() else None


def make(say: Callable[[str], None]) -> Disk:
    """Make the disk unless it is there; ``say`` hears how that gets on.

    Needs root and mmdebstrap. Two at once make one. Raises `ToolMissing` with what to do.
    """
    place = _place()
    place.parent.mkdir(exist_ok=True)
    with (place.parent / "lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not place.is_dir():
            for old in (entry for entry in place.parent.iterdir() if entry.is_dir()):
                shutil.rmtree(old)  # unfinished, or of other packages; who runs it holds it open
            _check_space(place.parent)
            unfinished = place.with_suffix(".unfinished")
            unfinished.mkdir()
            _run(unfinished, say)
            unfinished.rename(place)
    return _of(place)


def _place() -> Path:
    """Where the disk lies, by what it is made from."""
    digest = hashlib.sha256(RELEASE.encode())
    for file in (_MAKE, _FROM / "packages", *sorted(p for p in _FILES.rglob("*") if p.is_file())):
        digest.update(f"{file.relative_to(_FROM)}\0".encode())
        digest.update(file.read_bytes())
    return cache_dir() / "virtual" / digest.hexdigest()[:16]


def _of(place: Path) -> Disk:
    return Disk(place / "disk", place / "kernel", place / "initramfs")


def _check_space(place: Path) -> None:
    free = shutil.disk_usage(place).free
    if free < _FREE_BYTES:
        raise ToolMissing(
            "the disk of the virtual machine does not fit in the cache",
            found=f"{free >> 20} MiB free at {place}",
            expected=f"{_FREE_BYTES >> 20} MiB",
            advice="free some, or set IEC4_CACHE to another place",
        )


def _run(place: Path, say: Callable[[str], None]) -> None:
    argv = [*_ALONE, *_ALONE_TOO, "sh", str(_MAKE), str(place), RELEASE]
    with subprocess.Popen(
        [*argv, ",".join(_PACKAGES), str(_FILES)],
        env={**os.environ, "TMPDIR": str(place), "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as making:
        assert making.stdout is not None
        words = "no output"
        for line in making.stdout:
            words = line.strip() or words
            if words.startswith("I: "):
                say(f"the virtual machine's disk: {words[3:]}")
    if making.returncode != 0:
        raise ToolMissing(
            "the disk of the virtual machine could not be made",
            found=words,
            expected=f"Debian {RELEASE}'s packages",
            advice="check that the distribution's servers can be reached, then run it again",
        )
