"""What an inventory says about a cluster to install: versions, networks, and where things lie.

Nothing else tells a lab of ours and a real one apart: the recipe has one list of steps.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from blueprints.cluster import facts
from blueprints.config import Model
from blueprints.errors import Unshown
from lab.images import Image

_VERSION = r"^\d+\.\d+\.\d+$"
_DIGEST = r"^[0-9a-f]{64}$"
#: What a host needs beside its packages.
BINARIES = ("kubeadm", "kubectl", "kubelet")
#: Where the key of a repository of packages lies on a host.
KEYRING = "/etc/apt/keyrings/iec4.asc"


def _plain_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("a proxy or mirror reads http(s)://HOST:PORT")
    if parts.username or parts.password:
        raise Unshown("a URL with credentials: hosts would show them to everybody")
    return value


Url = Annotated[str, AfterValidator(_plain_url)]


class Download(Model):
    """A file: ``at``, a URL or a path on this machine, and its SHA-256 in hex."""

    at: str
    sha256: str = Field(pattern=_DIGEST)


class ImageArchive(Model):
    """An image in a file of every host (``ctr images import`` takes it), and its digest."""

    image: Image
    file: str = Field(pattern=r"^/\S+$")
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")


class Repository(Model):
    """A repository of packages for apt: one ``deb`` line, and the key that signs it."""

    line: str
    key: Download

    @field_validator("line")
    @classmethod
    def _signed_by_our_key(cls, value: str) -> str:
        if "@" in value:
            raise Unshown("a URL with credentials: hosts would show them to everybody")
        if not re.fullmatch(rf"deb \[signed-by={KEYRING}\] https?://\S+ .+", value):
            raise ValueError(f"the line reads: deb [signed-by={KEYRING}] URL SUITE COMPONENT...")
        return value


class Proxy(Model):
    """What hosts' package manager and container runtime reach the outside by."""

    http: Url | None = None
    https: Url | None = None
    without: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        found = {"HTTP_PROXY": self.http, "HTTPS_PROXY": self.https}
        given = {name: url for name, url in found.items() if url}
        return {**given, "NO_PROXY": ",".join(self.without)} if given else {}


class ClusterInstall(Model):
    """A Kubernetes to set up by kubeadm: control plane on the tars-master, nodes on both roles.

    ``kubernetes``, ``cni`` and networks are IEC's unless they are said. Where things come from:
    ``packages`` by each host's apt (``repository``: one more for it), ``binaries`` by name as
    files that are brought to the hosts, or in ``mirror``, a directory of every host; images from
    ``image_repository`` (Kubernetes' own) and their registries (``registries``: registry → its
    mirror's URL), or from ``archives``; ``manifests``: ``calico``, ``multus``.
    ``init``: what starts services again on the hosts, systemd or (``none``) a loop of ours.
    ``kubelet``, ``kube_proxy``: fields of their configurations that differ from the usual ones.
    ``ignore_preflight``: checks of kubeadm that the hosts need not pass. ``modules``: the
    kernel's, to be loaded. ``name_servers``: whether hosts know any; else pods resolve the
    cluster's names only.
    """

    kubernetes: str = Field(default_factory=lambda: facts().kubernetes, pattern=_VERSION)
    cni: str = Field(default_factory=lambda: facts().cni)
    pod_network: IPv4Network = Field(default_factory=lambda: facts().pod_network)
    service_network: IPv4Network = Field(default_factory=lambda: facts().service_network)
    mtu: int | None = Field(default=None, ge=576, le=9000)
    multus: bool = True

    packages: tuple[str, ...] = (
        "containerd", "runc", "containernetworking-plugins", "conntrack", "iptables", "ipset",
    )  # fmt: skip
    repository: Repository | None = None
    binaries: dict[str, Download] = Field(default_factory=dict)
    mirror: str | None = Field(default=None, pattern=r"^/\S+$")
    image_repository: str = Field(default="registry.k8s.io", pattern=r"^[\w.:/-]+$")
    registries: dict[str, Url] = Field(default_factory=dict)
    archives: tuple[ImageArchive, ...] = ()
    manifests: dict[Literal["calico", "multus"], Download] = Field(default_factory=dict)
    pause: str = Field(default="3.10.1", pattern=r"^[\w.-]+$")
    etcd: str | None = Field(default=None, pattern=r"^[\w.-]+$")
    coredns: str | None = Field(default=None, pattern=r"^[\w.-]+$")
    multus_image: Image = "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.2"
    proxy: Proxy = Proxy()

    init: Literal["systemd", "none"] = "systemd"
    kubelet: dict[str, Any] = Field(default_factory=dict)
    kube_proxy: dict[str, Any] = Field(default_factory=dict)
    ignore_preflight: tuple[str, ...] = ()
    modules: tuple[str, ...] = ("overlay", "br_netfilter")
    swap: Literal["off", "keep"] = "off"
    name_servers: bool = True

    @property
    def minor(self) -> int:
        """The minor version of Kubernetes: 34 of 1.34.4."""
        return int(self.kubernetes.split(".")[1])

    @field_validator("kubernetes")
    @classmethod
    def _known_version(cls, value: str) -> str:
        if not re.match(_VERSION, value):
            raise ValueError("a version of Kubernetes reads 1.34.4")
        major, minor, _ = map(int, value.split("."))
        if major != 1 or not OLDEST <= minor <= NEWEST:
            raise ValueError(
                f"the recipe knows kubeadm of 1.{OLDEST} to 1.{NEWEST}, not of {value}"
            )
        return value

    @field_validator("cni")
    @classmethod
    def _only_calico(cls, value: str) -> str:
        if value == "calico":
            return value
        lacking = facts().unsupported.get(value)
        if lacking is None:
            known = ", ".join(("calico", *facts().unsupported))
            raise ValueError(f"IEC has no CNI_TYPE {value!r}; it has {known}")
        raise ValueError(
            f"the suite sets up calico only: for {value} it lacks {lacking}; "
            "set the cluster up with IEC's own scripts and adopt it (adopted: true)"
        )

    @model_validator(mode="after")
    def _disjoint(self) -> ClusterInstall:
        if self.pod_network.overlaps(self.service_network):
            raise ValueError("the networks of pods and services overlap")
        return self

    def missing(self) -> list[str]:
        """What a host could not get, one sentence each."""
        if self.mirror is not None:
            return []
        return [
            f"binaries.{name}: where {name} {self.kubernetes} lies, as {{at: URL, sha256: HEX}}"
            for name in BINARIES
            if name not in self.binaries
        ]


#: Minor versions of Kubernetes whose kubeadm the recipe was made for.
OLDEST, NEWEST = 19, 34
