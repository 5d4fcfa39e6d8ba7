"""A real lab's Jenkins: a war and pinned plugins by reference, configured as code.

Everything lies in ``~/iec4-jenkins`` of the suite's account on the jenkins-master: ``war``,
``home`` (JENKINS_HOME), ``casc.yaml``, ``secrets`` (a file each, mode 600).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from blueprints.errors import ConfigError
from lab import secrets, service
from lab.errors import SystemDown
from lab.fetching import fetch
from lab.jenkins import casc
from lab.jenkins.installation import JenkinsInstall, PluginFiles
from lab.jenkins.plugins import CONFIGURING, pinned_plugins
from lab.jenkins.probe import ENDPOINT, SYSTEM, access, agents_online, master_host, probe
from lab.payload import ROOT, archive
from lab.recipe import Await, Command, Install, Recipe, Step, Write
from lab.session import Lab

#: The oldest Java that Jenkins 2.528 and its agents run on.
JAVA = 17
#: The label that the jobs of jobs/definitions ask for: at least one agent must carry it.
SUITE_LABEL = "iec4"
#: Seconds: for a first start with a hundred plugins, for agents to connect, for builds to be
#: put down when Jenkins ends.
START_S = 300.0
AGENTS_S = 180.0
END_S = 60.0

_SCRIPT = ROOT / "lab" / "jenkins" / "run.sh"

# From the host account's home directory.
_HOME = "iec4-jenkins"
_RUN = f"{_HOME}/run.sh"
_SECRETS = f"{_HOME}/secrets"
#: Leaves the files named, and no other: what is named no more is a secret no more.
_KEEP_ONLY = """
cd "$1" && shift
for file in *; do
    for kept; do [ "$file" = "$kept" ] && continue 2; done
    rm -f "$file"
done
"""


@dataclass(frozen=True)
class JavaThere(Step):
    """Look for a Java that is new enough; nothing is installed."""

    def execute(self, lab: Lab) -> str:
        found = lab.host(self.host).run(["java", "-version"])
        version = re.search(r'version "(?:1\.)?(\d+)', found.error_text)
        if not found.ok or version is None or int(version[1]) < JAVA:
            raise SystemDown(
                f"{self.host} has no Java that Jenkins runs on",
                found=found.last_line,
                expected=f"java {JAVA} or newer on the PATH of a command over SSH",
                advice=f"install a Java runtime there (Debian: openjdk-{JAVA}-jre-headless)",
            )
        return "unchanged"

    def describe(self) -> str:
        return f"java -version says {JAVA} or newer"


class InstalledJenkins(Recipe):
    """A Jenkins on the jenkins-master's first account; agents over SSH; none of it as root."""

    system = SYSTEM

    def steps(self, lab: Lab) -> list[Step]:
        host = master_host(lab)
        install = _install(lab)
        agents = _agents(lab, install, host)
        contents = _secrets(lab, install, agents)
        names = sorted(contents)
        options = _options(lab, install)
        configuration = casc.render(
            install,
            url=access(lab).base,
            suite=access(lab).user or "",
            agents=agents,
            labs=dict.fromkeys((lab.inventory.name, *install.labs)),
        )
        java_hosts = dict.fromkeys((host, *(agent.name for agent in agents)))
        war, plugins = install.war, _plugins(install.plugins)
        return [
            *(JavaThere("look for Java", name) for name in java_hosts),
            Install(
                f"bring Jenkins' war from {war.at}, SHA-256 {war.sha256}",
                host,
                f"{_HOME}/war",
                lambda: archive({"jenkins.war": fetch(war.at, war.sha256)}),
            ),
            Install(
                f"bring {len(plugins)} pinned plugins from {install.plugins.at}",
                host,
                f"{_HOME}/home/plugins",
                lambda: archive({f"{n}.jpi": fetch(*where) for n, where in plugins.items()}),
            ),
            Write("write its start script", host, _RUN, _SCRIPT.read_bytes(), 0o700),
            Write("write its options", host, f"{_HOME}/options", options.encode(), 0o600),
            Write(
                "write its configuration", host, f"{_HOME}/casc.yaml", configuration.encode(), 0o600
            ),
            Command(
                "keep its secrets to itself",
                host,
                ["install", "-d", "-m", "700", _SECRETS],
                unless=["sh", "-c", '[ "$(stat -c %a "$1")" = 700 ]', "sh", _SECRETS],
            ),
            *(
                Write(f"write the secret {name}", host, f"{_SECRETS}/{name}", contents[name], 0o600)
                for name in names
            ),
            Command(
                "remove other secrets",
                host,
                ["sh", "-c", _KEEP_ONLY, "sh", _SECRETS, *names],
                unless=["sh", "-c", '[ "$(ls -A "$1")" = "$2" ]', "sh", _SECRETS, "\n".join(names)],
            ),
            Command(
                "stop Jenkins if it runs from something else",
                host,
                service.stop(host, SYSTEM, grace=END_S).argv,
                unless=["sh", _RUN, "current"],
                timeout=2 * END_S,
            ),
            service.start(host, SYSTEM, ["sh", _RUN, "start"]),
            service.Answers(
                "Jenkins answers GET /whoAmI", host, probe, timeout=START_S, service=SYSTEM
            ),
            Await("its agents are online", host, agents_online, timeout=AGENTS_S),
        ]

    def removal(self, lab: Lab) -> list[Step]:
        host = master_host(lab)
        return [
            service.stop(host, SYSTEM, grace=END_S),
            Command("remove Jenkins, its jobs and builds", host, ["rm", "-rf", _HOME]),
        ]


def _install(lab: Lab) -> JenkinsInstall:
    install = lab.inventory.systems[SYSTEM].install
    if install is None:
        raise ConfigError(f"lab {lab.inventory.name} has no systems.{SYSTEM}.install")
    suite = access(lab).user
    if suite in {*install.admins, *install.readers} or install.admins.keys() & install.readers:
        raise ConfigError(
            f"systems.{SYSTEM}: an account stands once: under secrets (the suite's), in admins "
            "or in readers"
        )
    reserved = {casc.TOKEN_ID, *map(casc.agent_secret, install.agents)}
    if taken := sorted(reserved & install.credentials.keys()):
        raise ConfigError(
            f"systems.{SYSTEM}.install.credentials: {', '.join(taken)} is the suite's own id"
        )
    root = urlsplit(install.resource_root or "").hostname
    if root is not None and root == urlsplit(access(lab).url).hostname:
        raise ConfigError(
            f"systems.{SYSTEM}.install.resource_root is another host name than the endpoint's: "
            f"found {root} for both"
        )
    return install


def _options(lab: Lab, install: JenkinsInstall) -> str:
    """Winstone's options, one a line: where it listens."""
    url = urlsplit(lab.url(SYSTEM, ENDPOINT))
    if install.listen is None and url.scheme == "https":
        raise ConfigError(
            f"systems.{SYSTEM}.endpoints.{ENDPOINT} is https: a proxy ends TLS; say in "
            f"systems.{SYSTEM}.install.listen on which ADDRESS:PORT it finds Jenkins"
        )
    address, port = lab.address(SYSTEM, ENDPOINT)
    if install.listen is not None:
        address, _, given = install.listen.partition(":")
        port = int(given)
    options = [f"--httpListenAddress={address}", f"--httpPort={port}"]
    if prefix := url.path.rstrip("/"):
        options.append(f"--prefix={prefix}")
    return "\n".join(options) + "\n"


def _agents(lab: Lab, install: JenkinsInstall, master: str) -> list[casc.Agent]:
    if not any(SUITE_LABEL in labels for labels in install.agents.values()):
        raise ConfigError(
            f"systems.{SYSTEM}.install.agents: none has the label {SUITE_LABEL}, which the suite's "
            "jobs ask for"
        )
    found = []
    for name, labels in install.agents.items():
        entry = lab.inventory.hosts[name]
        account = entry.accounts[-1]
        if name == master and account == entry.accounts[0]:
            raise ConfigError(
                f"hosts.{name}.accounts: an agent beside Jenkins needs an account of its own, the "
                "last one there; builds of the first could read Jenkins' secrets"
            )
        if account.key is None or account.key.startswith("agent:"):
            raise ConfigError(
                f"hosts.{name}.accounts: Jenkins' agent logs in as {account.name} and needs its "
                f"key as file:PATH or env:NAME; found {account.key or 'none'}"
            )
        directory = install.agent_directory.replace("{account}", account.name)
        found.append(casc.Agent(name, entry, account.name, labels, directory))
    return found


def _secrets(
    lab: Lab, install: JenkinsInstall, agents: list[casc.Agent]
) -> dict[str, Callable[[], bytes]]:
    """Name of each secret → its content; they are resolved when they are written."""
    accounts: Mapping[str, str] = {
        **lab.inventory.systems[SYSTEM].secrets, **install.admins, **install.readers
    }  # fmt: skip
    found = {casc.account_secret(name): _resolver(ref) for name, ref in accounts.items()}
    for agent in agents:
        key = agent.entry.accounts[-1].key or ""
        found[casc.agent_secret(agent.name)] = _resolver(key)
    for identity, credential in install.credentials.items():
        encode = base64.b64encode if credential.file else None
        found[casc.credential_secret(identity)] = _resolver(credential.reference, encode)
    return found


def _resolver(
    reference: str, encode: Callable[[bytes], bytes] | None = None
) -> Callable[[], bytes]:
    def resolved() -> bytes:
        content = secrets.resolve(reference).encode() + b"\n"
        return encode(content) if encode else content

    return resolved


def _plugins(files: PluginFiles) -> dict[str, tuple[str, str]]:
    """name → ``(place, SHA-256)`` of every plugin that is installed.

    Raises `ConfigError` when the sums do not name one.
    """
    try:
        lines = files.sums.expanduser().read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"systems.{SYSTEM}.install.plugins.sums: {files.sums}: {error}") from None
    pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
    sums = {pair[1].lstrip("*"): pair[0] for pair in pairs if len(pair) == 2}
    found: dict[str, tuple[str, str]] = {}
    for name, version in {**pinned_plugins(), **CONFIGURING, **files.also}.items():
        place = files.place(name, version)
        digest = sums.get(Path(urlsplit(place).path).name, "")
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise ConfigError(
                f"{files.sums}: no SHA-256 of {Path(urlsplit(place).path).name}, plugin "
                f"{name} {version}; write it with sha256sum"
            )
        found[name] = (place, digest)
    return found
