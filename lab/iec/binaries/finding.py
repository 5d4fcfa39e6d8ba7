"""Where the cluster's programs are: KUBEBUILDER_ASSETS, PATH, the project's cache, in this order.

What the first two have is taken in the minor version that is pinned, and no other: an older
kubectl or etcd lacks what the lab and its criteria use.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from lab.iec.binaries.catalogue import BINARIES, COST, Binary
from lab.payload import cache_dir

#: The variable by which Kubernetes' own test tools (setup-envtest) are told where they lie.
ASSETS = "KUBEBUILDER_ASSETS"
#: For a program to say its version (s).
_ASKING_S = 20.0
_VERSION = re.compile(rb"\b(?:v|CoreDNS-|version[: ]*v?)?(\d+\.\d+(?:\.\d+)?)")


def find(names: Iterable[str], *, exact: bool = False) -> dict[str, Path]:
    """The programs of these names that are on this machine: name → file.

    ``exact``: in the version that is pinned, not just in its minor version.
    """
    found = {name: _place(BINARIES[name], exact=exact) for name in names}
    return {name: path for name, path in found.items() if path is not None}


def missing(names: Iterable[str], *, exact: bool = False) -> str | None:
    """What to do about programs that are not here, in a sentence; None when all are."""
    names = tuple(names)
    found = find(names, exact=exact)
    lacking = [name for name in names if name not in found]
    if not lacking:
        return None
    deep = any(BINARIES[name].deep for name in lacking)
    return (
        f"{len(lacking)} of the cluster's {len(names)} programs are not on this machine "
        f"({lacking[0]} …): ./iec4 lab build{' --deep' if deep else ''} builds them once, "
        f"in some {COST[deep].minutes} minutes on 2 cores, with {COST[deep].building_gib} GiB of "
        f"free disk, of which it keeps {COST[deep].kept_gib:g}"
    )


def bin_directory() -> Path:
    """Where the cache keeps what was built."""
    return cache_dir() / "iec" / "bin"


def _place(binary: Binary, *, exact: bool) -> Path | None:
    for path in _candidates(binary):
        status = path.stat()
        version = version_of(binary, path, (status.st_size, status.st_mtime_ns))
        if version == binary.version or (not exact and _minor(version) == _minor(binary.version)):
            return path
    built = bin_directory() / binary.place
    return built if built.is_file() else None


def _candidates(binary: Binary) -> Iterator[Path]:
    directories = [os.environ.get(ASSETS, ""), *os.environ.get("PATH", "").split(os.pathsep)]
    for directory in filter(None, directories):
        path = Path(directory, binary.name)
        # Asked first: a directory that may not be looked into is passed over, as shells do.
        if os.access(path, os.X_OK) and path.is_file():
            yield path.absolute()


@cache
def version_of(binary: Binary, path: Path, _state: tuple[int, int]) -> str:
    """The version that a program says it has; empty when it says none.

    One that cannot say is believed where KUBEBUILDER_ASSETS leads to it.
    """
    if not binary.asked:
        return binary.version if str(path.parent) == os.environ.get(ASSETS) else ""
    try:
        said = subprocess.run(
            [binary.called or str(path), *binary.asked],
            executable=path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ASKING_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = _VERSION.search(said.stdout + said.stderr)
    return match[1].decode() if match else ""


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
