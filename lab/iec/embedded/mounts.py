"""What the cluster sees of its machine's file system: all of it, and places of its own."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

from lab.iec.embedded.plan import RUN, Plan

# <linux/mount.h>
_READ_ONLY, _REMOUNT, _BIND, _MOVE, _RECURSIVE = 1, 32, 4096, 8192, 16384
#: What a mount has and must keep when it becomes read-only: as statvfs tells it, as mount takes it.
_KEPT = {os.ST_NOSUID: 2, os.ST_NODEV: 4, os.ST_NOEXEC: 8, os.ST_NOATIME: 1024,
         os.ST_NODIRATIME: 2048, os.ST_RELATIME: 1 << 21}  # fmt: skip

_libc = ctypes.CDLL(None, use_errno=True)

#: What a container sees of the machine, if it is there.
_SHOWN = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "dev")
#: Directories that each container gets for itself.
OWN = ("etc", "tmp", "run", "var", "proc", "root")

#: A container's root directory, before its own places are mounted there.
ROOT = RUN / "root"


def prepare(plan: Plan) -> None:
    """Make room for Calico's files, ours, and the root of containers; all in memory."""
    scratch = plan.home / "mount"
    scratch.mkdir(exist_ok=True)
    _add_to(Path("/run"), ("iec4", "calico", "lock"), scratch)
    _add_to(Path("/var/lib"), ("calico",), scratch)
    scratch.rmdir()
    with suppress(OSError):  # where it is refused, the machine's own does: only names differ
        _mount("sysfs", Path("/sys"), "sysfs")
    ROOT.mkdir()
    for name in _SHOWN:
        place = Path("/", name)
        if place.is_symlink():
            (ROOT / name).symlink_to(place.readlink())
        elif place.is_dir():
            (ROOT / name).mkdir()
            _mount(str(place), ROOT / name, flags=_BIND | _RECURSIVE)
            if name != "dev":
                _protect(ROOT / name)
    for name in OWN:
        (ROOT / name).mkdir()
    (ROOT / "agnhost").touch()
    _mount(plan.binary("agnhost"), ROOT / "agnhost", flags=_BIND)
    _protect(ROOT / "agnhost")


def _add_to(directory: Path, names: tuple[str, ...], scratch: Path) -> None:
    """Let ``directory`` have more entries, though it is not ours: a copy of mounts hides it."""
    _mount("tmpfs", scratch, "tmpfs")
    for entry in os.scandir(directory):
        copy = scratch / entry.name
        if entry.is_symlink():
            copy.symlink_to(Path(entry.path).readlink())
            continue
        copy.mkdir() if entry.is_dir() else copy.touch()
        with suppress(PermissionError):  # what only root may see is empty here
            _mount(entry.path, copy, flags=_BIND | _RECURSIVE)
    for name in names:
        (scratch / name).mkdir(exist_ok=True)
    _mount(str(scratch), directory, flags=_MOVE)


def _protect(mount: Path) -> None:
    """Make a mount read-only: where a lab runs as root, so do its containers."""
    has = os.statvfs(mount).f_flag
    kept = sum(flag for told, flag in _KEPT.items() if has & told)
    _mount("", mount, flags=_REMOUNT | _BIND | _READ_ONLY | kept)


def _mount(source: str, target: Path, kind: str = "", *, flags: int = 0) -> None:
    status = _libc.mount(source.encode(), os.fsencode(target), kind.encode() or None, flags, None)
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{os.strerror(number)}: mount {source} at {target}")
