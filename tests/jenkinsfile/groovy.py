"""Groovy, as Jenkins 2.528.2 has it built in: from Maven's repository, once, into the cache."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

from lab.errors import LabError, ToolMissing
from lab.payload import cache_dir

VERSION = "2.4.21"
SHA256 = "cc637a03e8ffddd487177bed948f162200a08f4847089091e06d70c2a1480fee"
FETCH_TIMEOUT_S = 90

_JAR = f"groovy-{VERSION}.jar"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
_APT = "on Debian: apt install default-jre-headless maven"


def groovy_jar() -> Path:
    """The interpreter. Raises `ToolMissing` without Java, or Maven, or Maven's repository,
    and `LabError` when what came is something else.
    """
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            raise ToolMissing(f"there is no {tool} to execute a Jenkinsfile with", advice=_APT)
    place = cache_dir() / "groovy"
    place.mkdir(exist_ok=True)
    with (place / "lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        jar = place / _JAR
        if not jar.exists():
            _fetch(place)
    found = hashlib.sha256(jar.read_bytes()).hexdigest()
    if found != SHA256:
        raise LabError(
            f"{jar} is not Groovy {VERSION}",
            found=f"SHA-256 {found}",
            expected=SHA256,
            advice="remove the file and run again; if it comes back, ask who serves Maven's files",
        )
    return jar


def _fetch(place: Path) -> None:
    """By Maven itself, so that its own settings (mirrors, proxies) hold; its files stay here."""
    argv = [
        "mvn", "-q", "-B", "-Dstyle.color=never", f"-Dmaven.repo.local={place / 'maven'}", _COPY,
        f"-Dartifact=org.codehaus.groovy:groovy:{VERSION}", f"-DoutputDirectory={place / 'new'}",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            argv, cwd=place, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S, check=False
        )
        problem = (done.stdout.strip().splitlines() or ["no output"])[0] if done.returncode else ""
    except subprocess.TimeoutExpired:
        problem = f"no end after {FETCH_TIMEOUT_S} s"
    if problem:
        raise ToolMissing(
            f"Groovy {VERSION} could not be fetched",
            found=problem[:200],
            advice="check that mvn reaches its repository, then run again",
        )
    (place / "new" / _JAR).rename(place / _JAR)
    shutil.rmtree(place / "maven")
