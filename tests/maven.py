"""Java libraries from Maven Central with classes of ours that drive them, in tests."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from lab.payload import cache_dir

_TOOLS = ("java", "javac", "mvn")
_TIMEOUT_S = 300


class Unavailable(Exception):
    """No JDK, no Maven, or no way to Maven Central."""


def class_path(directory: Path, *options: str) -> str:
    """Where the libraries of a directory's ``pom.xml`` and its compiled classes are, in the cache.

    Other files in the directory lie beside the classes; ``options`` are Maven's. Raises
    `Unavailable`.
    """
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        raise Unavailable(f"{directory.name} needs {', '.join(missing)}")
    sources = sorted(path for path in directory.iterdir() if path.suffix in {".java", ".xml"})
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    place = cache_dir() / directory.name / digest
    if not place.exists():
        fresh = place.with_name(f"{digest}.{os.getpid()}")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        pom = str(directory / "pom.xml")
        fetch = ("mvn", "-q", "-B", *options, "-f", pom, "dependency:copy-dependencies")
        _run(*fetch, f"-DoutputDirectory={fresh / 'lib'}")
        java = [str(path) for path in sources if path.suffix == ".java"]
        _run("javac", "-cp", f"{fresh}/lib/*", "-d", str(fresh / "classes"), *java)
        for path in sources:
            if path.suffix != ".java":
                shutil.copy(path, fresh / "classes")
        try:
            fresh.rename(place)
        except OSError:  # another worker was first
            shutil.rmtree(fresh)
    return f"{place}/classes:{place}/lib/*"


def _run(*argv: str) -> None:
    try:
        subprocess.run(argv, check=True, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        said = (error.stdout + error.stderr).strip().splitlines()
        raise Unavailable(f"{argv[0]} failed: {said[-1] if said else error}") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{argv[0]} took longer than {_TIMEOUT_S} s") from None
