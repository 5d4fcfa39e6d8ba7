"""Builds of a Jenkinsfile on the embedded Jenkins: a pipeline job for each test, from git."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from lab.wait import wait_for
from tests.jenkins_double.running import POLL_S, Master, freestyle, parameter, parameters

#: Seconds for a whole build; the tests' commands are short.
BUILD_TIMEOUT_S = 100

_GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org")
_JOB = """<flow-definition><description/><properties>{parameters}</properties>
<definition class="org.jenkinsci.plugins.workflow.cps.CpsScmFlowDefinition">
<scm class="hudson.plugins.git.GitSCM"><userRemoteConfigs><hudson.plugins.git.UserRemoteConfig>
<url>{source}</url></hudson.plugins.git.UserRemoteConfig></userRemoteConfigs>
<branches><hudson.plugins.git.BranchSpec><name>*/main</name></hudson.plugins.git.BranchSpec>
</branches></scm><scriptPath>Jenkinsfile</scriptPath></definition></flow-definition>"""


class Build:
    """A build that runs, or is over."""

    def __init__(self, master: Master, job: str, number: int) -> None:
        self._master = master
        self._job = job
        self.number = number

    def _seen(self) -> Mapping[str, Any]:
        seen: Mapping[str, Any] = self._master.get(f"/job/{self._job}/{self.number}/api/json")
        return seen

    @property
    def log(self) -> str:
        return self._master.console(self._job, self.number)

    @property
    def over(self) -> bool:
        return not self._seen()["building"]

    @property
    def result(self) -> str:
        """SUCCESS, UNSTABLE, FAILURE or ABORTED; waits for the end."""
        wait_for("the build ends", lambda: self.over, timeout=BUILD_TIMEOUT_S, slowest=POLL_S)
        return str(self._seen()["result"])

    @property
    def stages(self) -> list[str]:
        """The names of the stages that were entered, skipped ones as well."""
        return re.findall(r"^\[Pipeline\] \{ \((?!Declarative)(.*)\)$", self.log, re.MULTILINE)

    def archived(self, name: str = "*") -> list[PurePosixPath]:
        paths = (PurePosixPath(each["relativePath"]) for each in self._seen()["artifacts"])
        return [path for path in paths if path.match(name)]

    def content(self, path: PurePosixPath) -> bytes:
        place = f"/job/{self._job}/{self.number}/artifact/{quote(str(path))}"
        return self._master.ask("GET", place).raw

    def stop(self) -> None:
        self._master.ask("POST", f"/job/{self._job}/{self.number}/stop")


class Agent:
    """A job of its own on a Jenkins that builds on its own machine, whose label is iec4.

    ``source``: a repository; what is there when a build starts is committed to it.
    """

    def __init__(self, master: Master, place: Path, job: str) -> None:
        self.master = master
        self.job = job
        self.place, self.source = place, place / "source"
        self.source.mkdir()
        self._git("init", "-q", "-b", "main", ".")
        self._builds: list[Build] = []

    def start(self, jenkinsfile: Path, **parameter_values: str) -> Build:
        """Start a build; it goes on beside the caller."""
        (self.source / "Jenkinsfile").write_bytes(jenkinsfile.read_bytes())
        self._git("add", ".")
        self._git("commit", "-q", "--allow-empty", "-m", "one")
        if not self._builds:
            strings = [parameter("String", name, "<defaultValue/>") for name in parameter_values]
            defined = parameters(*strings) if strings else ""
            self.master.create(self.job, _JOB.format(parameters=defined, source=self.source))
        item = self.master.trigger(self.job, **parameter_values)
        build = Build(self.master, self.job, self.master.build_of(item)["number"])
        self._builds.append(build)
        return build

    def run(self, jenkinsfile: Path, **parameter_values: str) -> Build:
        """A build, from its start to its end."""
        build = self.start(jenkinsfile, **parameter_values)
        assert build.result, "it has one when it has ended"
        return build

    def child(self, name: str, script: str) -> str:
        """Another job, which runs a script in ``place``; returns its name."""
        job = f"{self.job}-{name}"
        self.master.create(job, freestyle(f"cd {self.place}\n{script}"))
        return job

    def workspace(self, slot: int = 1) -> Path:
        """Where its builds work; slot 2: while another one does."""
        name = self.job if slot == 1 else f"{self.job}@{slot}"
        return self.master.home / ".iec4" / "jenkins" / "workspace" / name

    def close(self) -> None:
        """End the builds that still run."""
        running = [build for build in self._builds if not build.over]
        for build in running:
            build.stop()
        for build in running:
            wait_for("the build ends", lambda build=build: build.over, timeout=BUILD_TIMEOUT_S)

    def _git(self, *argv: str) -> None:
        subprocess.run([*_GIT, *argv], cwd=self.source, check=True, capture_output=True)


def appears(path: Path, build: Build) -> Path:
    """Wait until a build has made a file. AssertionError, with its log, when it ends without."""

    def there() -> bool:
        assert path.exists() or not build.over, build.log
        return path.exists()

    wait_for(f"{path.name} of the build", there, timeout=BUILD_TIMEOUT_S)
    return path
