"""Groovy, as Jenkins 2.528.2 has it built in, for the embedded Jenkins' pipeline jobs.

It comes from Maven's repository, once, into the cache. Compiled beside it lies
``embedded/declarative``, which says what a Jenkinsfile means.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError, ToolMissing
from lab.payload import ROOT, archive, cache_dir

VERSION = "2.4.21"
SHA256 = "de65260cf2070442e99882f2f3d72e7531725c1e6a257446cc0cea525c607bd0"
FETCH_TIMEOUT_S = 90
COMPILE_TIMEOUT_S = 60

_JAR = f"groovy-all-{VERSION}.jar"
_CLASSES = "classes"
_SOURCES = ROOT / "lab" / "jenkins" / "embedded" / "declarative"
_COMPILER = "org.codehaus.groovy.tools.FileSystemCompiler"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
_APT = "on Debian: apt install default-jre-headless maven"


def classpath(directory: Path | str) -> str:
    """The class path of what `archived` was unpacked to."""
    return f"{directory}/{_JAR}:{directory}/{_CLASSES}"


def at_hand() -> bool:
    """Whether `prepared` needs no network: there is Java, and Groovy was fetched before."""
    return shutil.which("java") is not None and (_place() / _JAR).exists()


def prepared() -> Path:
    """The directory with Groovy, fetched, and ``declarative``, compiled; see `classpath`.

    Raises `ToolMissing` without Java, or Maven, or Maven's repository, and `LabError` when
    what came is something else.
    """
    _need("java")
    with _locked(_place()) as place:
        jar = place / _JAR
        if not jar.exists():
            _need("mvn")
            _fetch(place)
        _check(jar)
        sources = sorted(_SOURCES.glob("*.groovy"))
        content = hashlib.sha256(SHA256.encode())
        for source in sources:
            content.update(hashlib.sha256(source.read_bytes()).digest())
        directory = place / content.hexdigest()[:16]
        if not directory.exists():
            unfinished = place / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            _compile(jar, sources, unfinished / _CLASSES)
            os.link(jar, unfinished / _JAR)
            unfinished.rename(directory)
    return directory


def archived() -> tuple[Path, str]:
    """`prepared`, as an archive for a host: ``(path, sha256)``."""
    directory = prepared()
    files = (path for path in directory.rglob("*") if path.is_file())
    return archive({str(path.relative_to(directory)): path for path in files})


def _place() -> Path:
    return cache_dir() / "groovy"


def _need(tool: str) -> None:
    if shutil.which(tool) is None:
        raise ToolMissing(f"there is no {tool} to execute a Jenkinsfile with", advice=_APT)


@contextmanager
def _locked(place: Path) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    with (place / "lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield place


def _fetch(place: Path) -> None:
    """By Maven itself, so that its own settings (mirrors, proxies) hold; its files stay here."""
    argv = [
        "mvn", "-q", "-B", "-Dstyle.color=never", f"-Dmaven.repo.local={place / 'maven'}", _COPY,
        f"-Dartifact=org.codehaus.groovy:groovy-all:{VERSION}",
        f"-DoutputDirectory={place / 'new'}",
    ]  # fmt: skip
    problem = _run(argv, place, FETCH_TIMEOUT_S)
    if problem:
        raise ToolMissing(
            f"Groovy {VERSION} could not be fetched",
            found=problem,
            advice="check that mvn reaches its repository, then run again",
        )
    (place / "new" / _JAR).rename(place / _JAR)
    shutil.rmtree(place / "new")
    shutil.rmtree(place / "maven")


def _check(jar: Path) -> None:
    found = hashlib.sha256(jar.read_bytes()).hexdigest()
    if found != SHA256:
        raise LabError(
            f"{jar} is not Groovy {VERSION}",
            found=f"SHA-256 {found}",
            expected=SHA256,
            advice="remove the file and run again; if it comes back, ask who serves Maven's files",
        )


def _compile(jar: Path, sources: list[Path], output: Path) -> None:
    output.mkdir(parents=True)
    argv = ["java", "-cp", str(jar), _COMPILER, "--encoding", "UTF-8", "-d", str(output)]
    argv += map(str, sources)
    problem = _run(argv, output, COMPILE_TIMEOUT_S)
    if problem:
        raise LabError(
            f"{_SOURCES.name} cannot be compiled",
            found=problem,
            advice="try another Java: 17 is known to do",
        )


def _run(argv: list[str], directory: Path, timeout_s: float) -> str:
    """Run a program; returns what went wrong, "" when nothing did."""
    try:
        done = subprocess.run(
            argv, cwd=directory, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no end after {timeout_s:g} s"
    said = (done.stdout + done.stderr).strip()[:300] or "no output"
    return said if done.returncode else ""
