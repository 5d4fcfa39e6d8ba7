"""Inventories: which hosts a lab has, which roles they carry, where its systems answer.

One schema for every lab. The embedded lab's template leaves out addresses, keys and
ports; ``lab up`` writes the inventory that has them, and from there on nothing knows
which kind of lab it works on, except through capabilities and the recipe that it picks.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from blueprints.config import Document, Model
from blueprints.errors import ConfigError, nearest
from blueprints.words import CAPABILITIES, ROLES, SYSTEMS
from lab.classroom.installation import OpenViduInstall
from lab.iec.installation import ClusterInstall
from lab.images import Image
from lab.jenkins.installation import JenkinsInstall
from lab.references import Reference
from lab.tars.installation import ABSENT, OPTIONAL_SERVERS, TarsInstall

INVENTORIES = Path(__file__).parent / "inventories"


class Account(Model):
    """An account on a host; ``key`` is the reference to its private SSH key."""

    name: str
    key: Reference | None = None


class VirtualMachine(Model):
    """Where a host that is a virtual machine runs: another host, and libvirt's name for it."""

    on: str
    domain: str = Field(pattern=r"^[^\s/-][^\s/]*$")


class VulsReport(Model):
    """A report of Vuls about a host: the file (JSON, or the table), and the host that has it.

    ``on``: where Vuls ran; the host itself unless told.
    """

    file: str = Field(pattern=r"^/\S+$")
    on: str | None = None


PortRange = Annotated[str, Field(pattern=r"^\d{1,5}-\d{1,5}$")]


class HostEntry(Model):
    """A host. ``None`` marks what a template leaves open; `missing` lists it.

    ``ports``: those that are open on it beside SSH and its systems' endpoints; a range
    (``30000-32767``) has those that may be open. ``emulated``: its processor is software, and
    what takes any other one minutes is not judged there.
    """

    roles: tuple[str, ...]
    address: str | None = None
    port: int = Field(default=22, ge=1, le=65535)
    host_key: str | None = None
    accounts: tuple[Account, ...] = ()
    arch: Literal["x86_64", "aarch64"] = "x86_64"
    sudo: bool = False
    connect_timeout: float = Field(default=5.0, gt=0, le=120)
    capabilities: tuple[str, ...] = ()
    ports: tuple[int | PortRange, ...] = ()
    vm: VirtualMachine | None = None
    emulated: bool = False
    vuls: VulsReport | None = None

    @field_validator("host_key")
    @classmethod
    def _one_public_key(cls, value: str | None) -> str | None:
        if value is not None and len(value.split()) < 2:
            raise ValueError("a host key reads 'ssh-ed25519 AAAA...', as ssh-keyscan prints it")
        return value


class SystemEntry(Model):
    """A system. ``adopted``: it was there before; only endpoints and secrets are needed.

    Of a Jenkins: ``install``, what a real lab's is installed from; ``site``, the file that says
    which jobs it has (`jobs/definitions/site.yaml` is one).
    Of an embedded Tars: ``placement``, the role that each of its optional servers runs on, or
    ``none``. ``platform``: what a real lab's Tars is installed from.
    Of a classroom: ``webhook``, the URL on this machine that it posts its events to; ``openvidu``,
    what a real lab's is installed from.
    Of a cluster (iec): ``cluster``, what a deep or real lab's is installed from; ``agnhost``, where
    it finds the image of the suite's pods, if not at Kubernetes' own registry or its mirror;
    ``conformance``, the report of a whole conformance run on it, on this machine: sonobuoy's
    archive, hydrophone's output directory, or a JUnit file.
    """

    adopted: bool = False
    endpoints: dict[str, str] = Field(default_factory=dict)
    secrets: dict[str, Reference] = Field(default_factory=dict)
    ca: Path | None = None
    install: JenkinsInstall | None = None
    site: Path | None = None
    placement: dict[str, str] = Field(default_factory=dict)
    platform: TarsInstall | None = None
    webhook: str | None = Field(default=None, pattern=r"^http://[^/@\s]+:\d+/\S*$")
    openvidu: OpenViduInstall | None = None
    cluster: ClusterInstall | None = None
    conformance: Path | None = None
    agnhost: Image | None = None

    @field_validator("endpoints")
    @classmethod
    def _urls(cls, value: dict[str, str]) -> dict[str, str]:
        for name, url in value.items():
            parts = urlsplit(url)
            if parts.scheme not in ("tcp", "http", "https") or not parts.hostname:
                raise ValueError(f"endpoint {name} reads tcp://HOST:PORT or http(s)://HOST:PORT")
            if parts.username or parts.password:
                raise ValueError(f"endpoint {name} holds credentials; put them under secrets")
        return value


class Inventory(Model):
    """A lab. ``profile`` picks the thresholds and pins that hold on it.

    ``lacks``: of what a lab of its kind can have, the capabilities and systems that this one has
    not, each with the reason; what needs them is skipped with these words.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    kind: Literal["embedded", "deep", "real"]
    profile: Literal["embedded", "lab"]
    capabilities: tuple[str, ...] = ()
    lacks: dict[str, str] = Field(default_factory=dict)
    hosts: dict[str, HostEntry]
    systems: dict[str, SystemEntry] = Field(default_factory=dict)
    #: The state directory of a lab that the suite made; None for any other.
    state: Path | None = None
    #: Where it was loaded from.
    file: Path | None = Field(default=None, exclude=True)

    def with_role(self, role: str) -> list[str]:
        """Names of the hosts that carry ``role``, in the inventory's order."""
        return [name for name, host in self.hosts.items() if role in host.roles]

    def able(self, capability: str) -> list[str]:
        """Names of the hosts that can do something, by the lab's capabilities or their own."""
        return [
            name
            for name, host in self.hosts.items()
            if capability in self.capabilities or capability in host.capabilities
        ]

    def missing(self) -> list[str]:
        """What this inventory leaves open, one sentence each; empty when it is complete."""
        open_ends = []
        for name, host in self.hosts.items():
            at = f"hosts.{name}"
            if host.address is None:
                open_ends.append(f"{at}.address: the host's IP address or DNS name")
            if host.host_key is None:
                open_ends.append(
                    f"{at}.host_key: its public host key (ssh-keyscan -t ed25519 ADDRESS, "
                    "compared with the key on its console)"
                )
            if not host.accounts:
                open_ends.append(
                    f"{at}.accounts: at least one account, as {{name: NAME, key: file:PATH}}"
                )
        for name, system in self.systems.items():
            open_ends += [
                f"systems.{name}.endpoints.{endpoint}: where it answers, "
                "tcp://HOST:PORT or http(s)://HOST:PORT"
                for endpoint in SYSTEMS[name]
                if endpoint not in system.endpoints
            ]
        open_ends += self._missing_for_jenkins()
        open_ends += self._missing_for_iec()
        return open_ends + self._missing_for_tars() + self._missing_for_classroom()

    def _missing_for_jenkins(self) -> list[str]:
        """What a Jenkins lacks: its jobs' file, and what the suite would have to install."""
        system = self.systems.get("jenkins")
        if system is None:
            return []
        open_ends = []
        if system.site is not None and not system.site.is_file():
            open_ends.append(
                "systems.jenkins.site: the file of its jobs (jobs apply --site FILE); "
                f"{system.site} is none here"
            )
        if system.adopted or self.kind != "real":
            return open_ends
        if system.install is None:
            open_ends.append(
                "systems.jenkins.install: war, plugins and agents of the Jenkins to install "
                "(docs/jenkins.md has an example); or adopted: true for one that is there"
            )
        if len(system.secrets) != 1:
            open_ends.append(
                "systems.jenkins.secrets: one entry, the suite's account there, as NAME: file:PATH"
            )
        if not self.with_role("jenkins-master"):
            open_ends.append("hosts: one with the role jenkins-master, for Jenkins to run on")
        return open_ends

    def _missing_for_tars(self) -> list[str]:
        """What a Tars lacks that the suite would have to install."""
        system = self.systems.get("tars")
        if system is None or system.adopted or self.kind != "real":
            return []
        open_ends = []
        if system.platform is None:
            open_ends.append(
                "systems.tars.platform: images and database of the Tars to install (docs/tars.md "
                "has an example); or adopted: true for one that is there"
            )
        open_ends += [
            f"hosts: one with the role {role}, for Tars to run on"
            for role in ("tars-master", "tars-agent")
            if not self.with_role(role)
        ]
        return open_ends

    def _missing_for_classroom(self) -> list[str]:
        """What a classroom lacks that the suite would have to install."""
        system = self.systems.get("classroom")
        if system is None or system.adopted or self.kind != "real":
            return []
        open_ends = []
        if system.openvidu is None:
            open_ends.append(
                "systems.classroom.openvidu: certificate and key of the OpenVidu to install "
                "(docs/classroom.md has an example); or adopted: true for one that is there"
            )
        if "api" not in system.secrets:
            open_ends.append(
                "systems.classroom.secrets.api: OPENVIDU_SECRET, as file:PATH or env:NAME"
            )
        if not self.with_role("tars-agent"):
            open_ends.append("hosts: one with the role tars-agent, for OpenVidu to run on")
        return open_ends

    def _missing_for_iec(self) -> list[str]:
        """What a cluster lacks: access to it, and what the suite would have to install."""
        system = self.systems.get("iec")
        if system is None or self.kind != "real":
            return []
        open_ends = []
        if "kubeconfig" not in system.secrets:
            whose = "an administrator's" if system.adopted else "where to write the"
            open_ends.append(f"systems.iec.secrets.kubeconfig: {whose} kubeconfig, as file:PATH")
        if system.adopted:
            return open_ends
        if system.cluster is None:
            open_ends.append(
                "systems.iec.cluster: what the cluster is made of (docs/kubernetes.md has an "
                "example); or adopted: true for one that is there"
            )
        else:
            open_ends += [f"systems.iec.cluster.{lack}" for lack in system.cluster.missing()]
        if not self.with_role("tars-master"):
            open_ends.append("hosts: one with the role tars-master, for the control plane")
        return open_ends

    def require_complete(self) -> None:
        """Raise `ConfigError` when values are missing; a template cannot be worked on."""
        if open_ends := self.missing():
            first = open_ends[0].split(":")[0]
            raise ConfigError(
                f"lab {self.name} lacks {len(open_ends)} values, the first is {first}; "
                f"./iec4 lab check --lab {self.file or self.name} explains each"
            )


def load(name_or_path: str) -> Inventory:
    """Load an inventory by name (one that the suite ships) or by path.

    Raises `ConfigError` with file, line and column.
    """
    path = Path(name_or_path)
    if not (path.suffix in (".yaml", ".yml") or path.exists()):
        shipped = {file.stem: file for file in INVENTORIES.glob("*.yaml")}
        if name_or_path not in shipped:
            raise ConfigError(
                f"unknown lab {name_or_path!r}; {nearest(name_or_path, shipped)} "
                "(or give the path of an inventory file)"
            )
        path = shipped[name_or_path]
    document = Document(path)
    inventory = document.load(Inventory)
    _check_names(document, inventory)
    return inventory.model_copy(update={"file": path.absolute()})


def _check_names(document: Document, inventory: Inventory) -> None:
    def check(kind: str, found: str, known: object, *path: str | int) -> None:
        if found not in known:  # type: ignore[operator]
            says = f"unknown {kind} {found!r}; {nearest(found, known)}"  # type: ignore[arg-type]
            raise document.error(*path, says=says)

    for i, capability in enumerate(inventory.capabilities):
        check("capability", capability, CAPABILITIES, "capabilities", i)
    for lacking in inventory.lacks:
        check("capability or system", lacking, (*CAPABILITIES, *SYSTEMS), "lacks", lacking)
    for name, host in inventory.hosts.items():
        for i, role in enumerate(host.roles):
            check("role", role, ROLES, "hosts", name, "roles", i)
        for i, capability in enumerate(host.capabilities):
            check("capability", capability, CAPABILITIES, "hosts", name, "capabilities", i)
        if host.vm is not None:
            check("host", host.vm.on, inventory.hosts.keys() - {name}, "hosts", name, "vm", "on")
        if host.vuls is not None and host.vuls.on is not None:
            check("host", host.vuls.on, inventory.hosts, "hosts", name, "vuls", "on")
    for name, system in inventory.systems.items():
        check("system", name, SYSTEMS, "systems", name)
        for endpoint in system.endpoints:
            check("endpoint", endpoint, SYSTEMS[name], "systems", name, "endpoints", endpoint)
        _check_jobs_and_installation(document, inventory, name)
        for server, role in system.placement.items():
            at = ("systems", name, "placement", server)
            check("optional server", server, OPTIONAL_SERVERS, *at)
            check("role", role, (*ROLES, ABSENT), *at)
        _check_tars(document, inventory, name)
        if system.openvidu is not None:
            _check_installed(document, inventory, name, "openvidu", of="classroom")
        _check_cluster(document, inventory, name)
    if inventory.kind == "embedded":
        _check_on_loopback(document, inventory)


def _check_on_loopback(document: Document, inventory: Inventory) -> None:
    for name, host in inventory.hosts.items():
        if host.address and not ipaddress.ip_address(host.address).is_loopback:
            says = f"an embedded host stays on 127.0.0.0/8; found {host.address}"
            raise document.error("hosts", name, "address", says=says)


def _check_installed(
    document: Document, inventory: Inventory, name: str, field: str, *, of: str
) -> None:
    if name != of or inventory.kind != "real" or inventory.systems[name].adopted:
        raise document.error(
            "systems",
            name,
            field,
            says=f"only a real lab's {of} that is not adopted is installed like this",
        )


def _check_jobs_and_installation(document: Document, inventory: Inventory, name: str) -> None:
    system = inventory.systems[name]
    if system.site is not None and name != "jenkins":
        raise document.error("systems", name, "site", says="only a Jenkins has jobs")
    if system.install is None:
        return
    at = ("systems", name, "install")
    _check_installed(document, inventory, name, "install", of="jenkins")
    for host in system.install.agents:
        if host not in inventory.hosts:
            raise document.error(
                *at, "agents", host, says=f"unknown host {host!r}; {nearest(host, inventory.hosts)}"
            )


def _check_cluster(document: Document, inventory: Inventory, name: str) -> None:
    system = inventory.systems[name]
    if system.agnhost is not None and name != "iec":
        raise document.error("systems", name, "agnhost", says="only iec runs pods of the suite's")
    if system.cluster is None:
        return
    if name != "iec" or inventory.kind == "embedded" or system.adopted:
        says = "only a deep or real lab's iec that is not adopted is installed like this"
        raise document.error("systems", name, "cluster", says=says)


def _check_tars(document: Document, inventory: Inventory, name: str) -> None:
    system = inventory.systems[name]
    if system.placement and (name != "tars" or inventory.kind != "embedded"):
        raise document.error(
            "systems", name, "placement", says="only an embedded Tars has servers to be placed"
        )
    if system.platform is None:
        return
    at = ("systems", name, "platform")
    _check_installed(document, inventory, name, "platform", of="tars")
    for host in system.platform.interfaces:
        if host not in inventory.hosts:
            raise document.error(
                *at,
                "interfaces",
                host,
                says=f"unknown host {host!r}; {nearest(host, inventory.hosts)}",
            )
