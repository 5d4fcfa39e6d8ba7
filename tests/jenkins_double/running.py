"""A running embedded Jenkins, in a process of its own, as a host runs it."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jenkins
import pytest

from lab.errors import ToolMissing
from lab.faultflags import DIRECTORY
from lab.jenkins import groovy
from lab.payload import ROOT
from lab.wait import wait_for

ADDRESS = "127.0.0.1"
#: How often to look at a build, seconds: those of tests are short.
POLL_S = 0.15
TOKEN = "11aa22bb33cc44dd55ee"
ACCOUNTS = {
    "admin": {"role": "admin", "password": "made-up-admin", "token": TOKEN},
    "reader": {"role": "reader", "password": "made-up-reader"},
}
PLUGINS = ROOT / "lab" / "jenkins" / "plugins.txt"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    raw: bytes

    @property
    def text(self) -> str:
        return self.raw.decode()

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@dataclass
class Master:
    """``home`` is the host account's home directory; ``context`` the path that URLs begin with."""

    home: Path
    port: int
    context: str = ""
    options: Sequence[str] = ()
    #: The status of its log-in page once it is as a test wants it.
    ready: int = 200
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def authority(self) -> str:
        return f"{ADDRESS}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.authority}{self.context}"

    def client(self) -> jenkins.Jenkins:
        """python-jenkins, which we did not write."""
        return jenkins.Jenkins(self.url, "admin", TOKEN, timeout=20)

    def ask(
        self,
        method: str,
        path: str,
        *,
        user: str | None = "admin",
        secret: str = TOKEN,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """One request on a connection of its own; ``user`` None: anonymous."""
        sent = dict(headers or {})
        if user is not None:
            pair = base64.b64encode(f"{user}:{secret}".encode()).decode()
            sent["Authorization"] = f"Basic {pair}"
        connection = http.client.HTTPConnection(ADDRESS, self.port, timeout=20)
        try:
            connection.request(method, self.context + path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """The JSON at a path, as admin."""
        return self.ask("GET", path).body

    def start(self) -> None:
        argv = [
            sys.executable, "-m", "lab.jenkins.embedded.master", "--home", ".",
            "--listen", self.authority, "--accounts", "accounts.json",
            "--plugins", str(PLUGINS), "--context", self.context, *self.options,
        ]  # fmt: skip
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                argv,
                cwd=self.home,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
            )
        wait_for("the embedded Jenkins answers", self._answers, timeout=20)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        return self.ask("GET", "/login").status == self.ready

    @property
    def log(self) -> str:
        return (self.home / "log").read_text()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """SIGTERM; fails when it does not end soon."""
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    @contextmanager
    def fault(self, name: str) -> Iterator[None]:
        flag = self.home / DIRECTORY / name
        flag.parent.mkdir(parents=True, exist_ok=True)
        flag.touch()
        try:
            yield
        finally:
            flag.unlink()

    # Jobs and builds

    def create(self, name: str, xml: str) -> None:
        answer = self.ask(
            "POST",
            f"/createItem?name={name}",
            headers={"Content-Type": "text/xml; charset=utf-8"},
            body=xml.encode(),
        )
        assert answer.status == 200, answer.text

    def trigger(self, name: str, *, delay: str = "0sec", **values: str) -> int:
        """Trigger a build; returns the number of its queue item."""
        what = "buildWithParameters" if values else "build"
        query = urlencode({"delay": delay, **values})
        answer = self.ask("POST", f"/job/{name}/{what}?{query}")
        assert answer.status in (201, 303), answer.text
        return int(answer.headers["Location"].rstrip("/").rpartition("/")[2])

    def build_of(self, item: int) -> dict[str, Any]:
        """Wait until a queue item has a build; returns its ``number`` and ``url``."""

        def executable() -> Any:
            return self.get(f"/queue/item/{item}/api/json").get("executable")

        found: dict[str, Any] = wait_for(
            "the item leaves the queue", executable, timeout=20, slowest=POLL_S
        )
        return found

    def ended(self, name: str, number: int) -> dict[str, Any]:
        """Wait until a build has ended; returns what the API shows of it."""

        def over() -> Any:
            build = self.get(f"/job/{name}/{number}/api/json")
            return None if build["building"] else build

        found: dict[str, Any] = wait_for("the build ends", over, timeout=20, slowest=POLL_S)
        return found

    def run(self, name: str, **values: str) -> dict[str, Any]:
        """Trigger a build and wait for its end."""
        return self.ended(name, self.build_of(self.trigger(name, **values))["number"])

    def console(self, name: str, number: int = 1) -> str:
        return self.ask("GET", f"/job/{name}/{number}/consoleText").text


@contextmanager
def running_master(
    home: Path, *options: str, context: str = "", ready: int = 200
) -> Iterator[Master]:
    """Start one on a free port and wait until it answers; end it in the end."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "accounts.json").write_text(json.dumps(ACCOUNTS))
    with socket.create_server((ADDRESS, 0)) as probe:
        port = probe.getsockname()[1]
    master = Master(home, port, context, options, ready)
    try:
        master.start()
        yield master
        assert "Traceback" not in master.log, master.log
    finally:
        if master.process is not None and master.process.poll() is None:
            master.end()


def with_groovy() -> tuple[str, str]:
    """The option of a Jenkins that executes pipelines; without Java and Groovy the test skips."""
    try:
        return "--groovy", groovy.classpath(groovy.prepared())
    except ToolMissing as missing:
        pytest.skip(str(missing))


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def freestyle(
    *commands: str,
    publishers: str = "",
    properties: str = "",
    wrappers: str = "",
    label: str = "",
    concurrent: bool = False,
) -> str:
    """A freestyle job's XML with these shell steps."""
    from xml.sax.saxutils import escape

    shells = "".join(
        f"<hudson.tasks.Shell><command>{escape(c)}</command></hudson.tasks.Shell>" for c in commands
    )
    node = f"<assignedNode>{escape(label)}</assignedNode>" if label else ""
    return (
        "<project><description></description><keepDependencies>false</keepDependencies>"
        f"<properties>{properties}</properties><scm class='hudson.scm.NullSCM'/>{node}"
        f"<canRoam>{str(not label).lower()}</canRoam><disabled>false</disabled>"
        "<blockBuildWhenDownstreamBuilding>false</blockBuildWhenDownstreamBuilding>"
        "<blockBuildWhenUpstreamBuilding>false</blockBuildWhenUpstreamBuilding><triggers/>"
        f"<concurrentBuild>{str(concurrent).lower()}</concurrentBuild>"
        f"<builders>{shells}</builders><publishers>{publishers}</publishers>"
        f"<buildWrappers>{wrappers}</buildWrappers></project>"
    )


def pipeline(script: str) -> str:
    """A pipeline job's XML with its Jenkinsfile in it."""
    from xml.sax.saxutils import escape

    return (
        "<flow-definition><description/><properties/>"
        '<definition class="org.jenkinsci.plugins.workflow.cps.CpsFlowDefinition">'
        f"<script>{escape(script)}</script><sandbox>true</sandbox></definition></flow-definition>"
    )


def parameters(*definitions: str) -> str:
    """A job's property with parameter definitions: ``string("SUITE", "smoke")`` and so on."""
    return (
        "<hudson.model.ParametersDefinitionProperty><parameterDefinitions>"
        f"{''.join(definitions)}</parameterDefinitions>"
        "</hudson.model.ParametersDefinitionProperty>"
    )


def parameter(kind: str, name: str, content: str) -> str:
    tag = f"hudson.model.{kind}ParameterDefinition"
    return f"<{tag}><name>{name}</name>{content}</{tag}>"
