"""Builds of a Jenkinsfile without a Jenkins: the Groovy compiler reads it, ``sh`` is the shell.

``declarative/`` says in Groovy what the blocks of a declarative pipeline mean, as far as the
suite's Jenkinsfiles go; whatever they do not use is refused. What is emulated of a node: a
workspace that no other build has, the source code in it, and the end of everything that the
build has left running. What is not: the queue, Groovy's sandbox, serialisation (CPS).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.wait import wait_for

_DECLARATIVE = Path(__file__).parent / "declarative"
#: Seconds for a whole build; the tests' commands are short.
BUILD_TIMEOUT_S = 60
#: Quick to start rather than quick in the long run.
_JAVA = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


def compile_runner(groovy: Path, output: Path) -> str:
    """Compile ``declarative/``; returns the class path for an `Agent`."""
    compiler = "org.codehaus.groovy.tools.FileSystemCompiler"
    sources = sorted(str(source) for source in _DECLARATIVE.glob("*.groovy"))
    argv = [*_JAVA, "-cp", str(groovy), compiler, "-d", str(output), *sources]
    subprocess.run(argv, check=True, timeout=BUILD_TIMEOUT_S)
    return f"{groovy}:{output}"


@dataclass(frozen=True)
class Build:
    """A build that runs, or is over."""

    process: subprocess.Popen[bytes]
    console: Path
    archive: Path

    @property
    def log(self) -> str:
        return self.console.read_text()

    @property
    def result(self) -> str:
        """SUCCESS, UNSTABLE, FAILURE or ABORTED; waits for the end."""
        status = self.process.wait(BUILD_TIMEOUT_S)
        last = self.log.splitlines()[-1]
        assert last.startswith("Finished: "), self.log
        result = last.removeprefix("Finished: ")
        assert (status == 0) == (result == "SUCCESS")
        return result

    @property
    def stages(self) -> list[str]:
        """The names of the stages that were entered, skipped ones as well."""
        return re.findall(r"^\[Pipeline\] \{ \((?!Declarative)(.*)\)$", self.log, re.MULTILINE)

    def archived(self, pattern: str) -> list[Path]:
        return sorted(path for path in self.archive.rglob(pattern) if path.is_file())

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)


class Agent:
    """A machine that builds; ``place`` is its directory.

    Its source code is ``place/source``: what is there is copied to each build's workspace.
    The jobs that a ``build`` step finds are the executables in ``place/children``.
    """

    def __init__(self, place: Path, classpath: str, *, label: str = "iec4") -> None:
        self.place = place
        self.source, self.children = place / "source", place / "children"
        self.source.mkdir()
        self.children.mkdir()
        self._classpath = classpath
        self._label = label
        self._builds: list[Build] = []

    def start(self, jenkinsfile: Path, *, job: str = "job", **parameters: str) -> Build:
        """Start a build; it goes on beside the caller."""
        number = len(self._builds) + 1
        place = self.place / "builds" / str(number)
        archive = place / "archive"
        archive.mkdir(parents=True)
        settings = {
            "job": job,
            "number": number,
            "jenkinsfile": jenkinsfile,
            "agent": self.place,
            "label": self._label,
            "source": self.source,
            "children": self.children,
            "archive": archive,
        }
        argv = [*_JAVA, "-cp", self._classpath]
        argv += [f"-D{name}={value}" for name, value in settings.items()]
        argv.append("Execute")
        argv += [f"{name}={value}" for name, value in parameters.items()]
        console = place / "log"
        with console.open("wb") as log:
            process = subprocess.Popen(
                argv,
                cwd=place,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={name: v for name, v in os.environ.items() if name != "PYTHONPATH"},
            )
        build = Build(process, console, archive)
        self._builds.append(build)
        return build

    def run(self, jenkinsfile: Path, *, job: str = "job", **parameters: str) -> Build:
        """A build, from its start to its end."""
        build = self.start(jenkinsfile, job=job, **parameters)
        build.process.wait(BUILD_TIMEOUT_S)
        return build

    def workspaces(self) -> list[Path]:
        locks = self.place.glob("*.lock")
        return sorted(self.place / lock.name.removesuffix(".lock") for lock in locks)

    def close(self) -> None:
        """End the builds that still run, in order, then by force."""
        for build in self._builds:
            if build.process.poll() is None:
                build.stop()
        for build in self._builds:
            try:
                build.process.wait(BUILD_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                build.process.kill()


def appears(path: Path, build: Build) -> Path:
    """Wait until a build has made a file. AssertionError, with its log, when it ends without."""

    def there() -> bool:
        assert build.process.poll() is None or path.exists(), build.log
        return path.exists()

    wait_for(f"{path.name} of the build", there, timeout=BUILD_TIMEOUT_S)
    return path
