"""mount(2) and umount(2), for what makes a machine's file systems. Standard library only."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

#: Flags of mount(2), ``linux/mount.h``.
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND = 1, 2, 4, 8, 32, 4096
SHARED, RECURSIVE = 1 << 20, 1 << 14
#: Of umount2(2).
_DETACH = 2
#: Of unshare(2), ``linux/sched.h``.
_NEWCGROUP = 0x02000000

_libc = ctypes.CDLL(None, use_errno=True)


def mount(
    source: str, target: Path, kind: str | None = None, *, flags: int = 0, options: str = ""
) -> None:
    """Mount a file system of that ``kind``, or change what is mounted; raises `OSError`."""
    done = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        None if kind is None else kind.encode(),
        ctypes.c_ulong(flags),
        options.encode() or None,
    )
    _check(done, f"{kind or 'bind'} on {target}")


def detach(target: Path) -> None:
    """Unmount what is there, and all below it, as soon as nobody uses it."""
    _check(_libc.umount2(os.fsencode(target), _DETACH), str(target))


def own_control_groups() -> None:
    """From here on the control groups that this process is in are the roots that it sees."""
    _check(_libc.unshare(_NEWCGROUP), "unshare cgroup")


def _check(status: int, what: str) -> None:
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount: {os.strerror(number)}", what)
