"""Virtual environments of tools that do not fit into the suite's own, made once in the cache.

What is in one is pinned by a requirements file with hashes, which uv made:
``uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
NAME.in -o NAME.txt``.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bootstrap import installer_environment, parse_pip_settings
from lab.errors import ToolMissing
from lab.payload import cache_dir

#: For one call of the installer (s).
INSTALL_TIMEOUT_S = 300.0


def virtual_environment(requirements: Path) -> Path:
    """The directory of an environment that has what ``requirements`` pins, and nothing else.

    It is keyed by the file's content. Raises `ToolMissing` with the installer's last words when
    the package index cannot be reached.
    """
    content = requirements.read_bytes()
    key = hashlib.sha256(content + sys.version.encode()).hexdigest()[:16]
    place = cache_dir() / "environments" / f"{requirements.stem}-{key}"
    place.parent.mkdir(exist_ok=True)
    with place.with_suffix(".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not (place / ".complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            _make(place, requirements)
            (place / ".complete").touch()
    return place


def _make(place: Path, requirements: Path) -> None:
    python = [sys.executable, "-I", "-m"]
    settings = parse_pip_settings(_call([*python, "pip", "config", "list"], os.environ))
    environment = installer_environment(os.environ, settings, cache_dir())
    _call(
        [*python, "uv", "venv", "--no-project", "--python", sys.executable, str(place)], environment
    )
    inside = ["--python", str(place / "bin" / "python")]
    _call(
        [*python, "uv", "pip", "sync", *inside, "--require-hashes", str(requirements)], environment
    )


def _call(argv: list[str], environment: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            argv,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
        problem = done.stderr.strip().splitlines()[-1:] if done.returncode else None
    except subprocess.TimeoutExpired:
        problem = [f"no end after {INSTALL_TIMEOUT_S:g} s"]
    if problem is not None:
        raise ToolMissing(
            f"{' '.join(argv[3:6])} failed",
            found=(problem or ["no output"])[0],
            advice="check that the package index can be reached, then run again",
        )
    return done.stdout
