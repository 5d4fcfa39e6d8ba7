"""How Jenkins gets onto the jenkins-master: in an embedded lab, ours, with every host as agent.

A real lab's is installed by `lab.jenkins.installed`.
"""

from __future__ import annotations

import json
from pathlib import Path

from blueprints.errors import ConfigError
from lab import secrets, service
from lab.jenkins import groovy
from lab.jenkins.installed import InstalledJenkins
from lab.jenkins.plugins import PLUGINS
from lab.jenkins.probe import ENDPOINT, SYSTEM, access, agents_online, master_host, probe
from lab.payload import python_runtime
from lab.recipe import Await, Command, Install, Recipe, Step, Write
from lab.session import Lab

#: The label of nodes that may reach the lab and run the suite: here the built-in node.
SUITE_LABEL = "iec4"
#: What the embedded Jenkins needs of the suite; nothing else of it travels.
MODULES = (
    "blueprints/__init__.py",
    "blueprints/guarded_xml.py",
    "lab/__init__.py",
    "lab/child.py",
    "lab/faultflags.py",
    "lab/jenkins/__init__.py",
    "lab/jenkins/embedded",
    "lab/loopback/__init__.py",
    "lab/loopback/cleanup.py",
)
_EXECUTORS = 2

# From the host account's home directory.
_HOME = "jenkins"
_RUNTIME = f"{_HOME}/runtime"
_GROOVY = f"{_HOME}/groovy"
_ACCOUNTS = f"{_HOME}/accounts.json"
_AGENTS = f"{_HOME}/agents.json"
_KEY = f"{_HOME}/agent-key"
_PLUGINS = f"{_HOME}/plugins.txt"


def recipe(lab: Lab) -> Recipe:
    """The recipe for this kind of lab; raises `ConfigError` where there is none."""
    if lab.inventory.kind == "embedded":
        return EmbeddedJenkins()
    if lab.inventory.kind == "real" and lab.inventory.systems[SYSTEM].install:
        return InstalledJenkins()
    raise ConfigError(
        f"the suite cannot deploy Jenkins on this {lab.inventory.kind} lab: say what it is "
        f"installed from in systems.{SYSTEM}.install (real labs; docs/jenkins.md), or "
        f"systems.{SYSTEM}.adopted: true, with its endpoint and token, to use one that is there"
    )


def runtime() -> tuple[Path, str]:
    """The archive that the embedded Jenkins runs from: ``(path, sha256)``."""
    return python_runtime(["aiohttp", "asyncssh"], MODULES)


class EmbeddedJenkins(Recipe):
    """Our Jenkins, on the address of its endpoint; the lab's other hosts are its agents."""

    system = SYSTEM

    def steps(self, lab: Lab) -> list[Step]:
        host = master_host(lab)
        address, port = lab.address(SYSTEM, ENDPOINT)
        user = access(lab).user or ""
        accounts = {user: {"role": "admin", "token": lab.secret(SYSTEM, user)}}
        agents, key = _agents(lab, host)
        argv = [
            "python3", "-m", "lab.jenkins.embedded.master", "--home", ".",
            "--listen", f"{address}:{port}", "--accounts", _ACCOUNTS, "--plugins", _PLUGINS,
            "--agents", _AGENTS, "--labels", SUITE_LABEL, "--groovy", groovy.classpath(_GROOVY),
        ]  # fmt: skip
        return [
            Install("bring the embedded Jenkins", host, _RUNTIME, runtime),
            *self._groovy(host),
            Write("write its accounts", host, _ACCOUNTS, json.dumps(accounts).encode(), 0o600),
            Write("write the agents' key", host, _KEY, key.encode(), 0o600),
            Write("write its agents", host, _AGENTS, json.dumps(agents, indent=1).encode()),
            Write("write its plugins", host, _PLUGINS, PLUGINS.read_bytes()),
            service.start(host, SYSTEM, argv, env={"PYTHONPATH": _RUNTIME}, runs_from=[_RUNTIME]),
            service.Answers("Jenkins answers GET /whoAmI", host, probe, service=SYSTEM),
            Await("its agents are online", host, agents_online),
        ]

    def _groovy(self, host: str) -> list[Step]:
        """Only pipeline jobs want it: where it would have to be fetched, a run goes without."""
        if not groovy.at_hand():
            return []
        return [Install("bring Groovy, for pipeline jobs", host, _GROOVY, groovy.archived)]

    def removal(self, lab: Lab) -> list[Step]:
        host = master_host(lab)
        return [
            service.stop(host, SYSTEM),
            Command("remove Jenkins' files", host, ["rm", "-rf", _HOME, f".iec4/{SYSTEM}"]),
        ]


def _agents(lab: Lab, master: str) -> tuple[dict[str, dict[str, object]], str]:
    """Every other host as an agent, labelled by its roles; and the key that opens them all.

    They are entered as the second account: the first is the suite's own.
    """
    agents: dict[str, dict[str, object]] = {}
    references = set()
    for name, entry in lab.inventory.hosts.items():
        if name == master:
            continue
        account = entry.accounts[-1]
        references.add(account.key or "")
        agents[name] = {
            "address": entry.address,
            "port": entry.port,
            "user": account.name,
            "host_key": entry.host_key,
            "key": _KEY,
            "labels": entry.roles,
            "executors": _EXECUTORS,
        }
    if len(references) != 1:
        raise ConfigError(f"lab {lab.inventory.name} has no one key for all of Jenkins' agents")
    return agents, secrets.resolve(references.pop())
