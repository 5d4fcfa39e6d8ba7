"""The cluster's programs: of which Go module each is built, and by what words it says its version.

A folder of ``modules/`` holds a module's go.mod and go.sum: they pin everything that a binary is
made of, down to a checksum. To renew one, change its ``require`` (and ``replace``) lines and run
``go mod tidy -e`` in it; the module kubernetes then takes the e2e tests' needs by
``go get -t k8s.io/kubernetes/test/e2e@VERSION``, which tidy would drop again.
"""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MODULES = Path(__file__).parent / "modules"

_CALICO = "github.com/projectcalico/calico"
_MULTUS = "gopkg.in/k8snetworkplumbingwg/multus-cni.v4"
_COMPONENT_VERSION = "k8s.io/component-base/version"


@dataclass(frozen=True)
class Module:
    """A module's folder, the version of what it brings, and the variables that tell it."""

    name: str
    version: str
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def directory(self) -> Path:
        return MODULES / self.name

    @property
    def linker_flags(self) -> str:
        return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in self.variables)])


KUBERNETES = Module(
    "kubernetes",
    "1.34.4",
    (
        (f"{_COMPONENT_VERSION}.gitVersion", "v1.34.4"),
        (f"{_COMPONENT_VERSION}.gitMajor", "1"),
        (f"{_COMPONENT_VERSION}.gitMinor", "34"),
        ("main.Version", "2.56"),  # agnhost's own
    ),
)
CALICO = Module(
    "calico",
    "3.28.5",
    (
        ("main.VERSION", "v3.28.5"),
        (f"{_CALICO}/node/buildinfo.GitVersion", "v3.28.5"),
        (f"{_CALICO}/node/pkg/lifecycle/startup.VERSION", "v3.28.5"),
        (f"{_CALICO}/felix/buildinfo.GitVersion", "v3.28.5"),
    ),
)
ETCD = Module("etcd", "3.6.14")
MULTUS = Module("multus", "4.2.2", ((f"{_MULTUS}/pkg/multus.version", "v4.2.2"),))
COREDNS = Module("coredns", "1.14.3")


@dataclass(frozen=True)
class Binary:
    """A program. ``package`` is its import path, ``deep`` whether only a deep lab needs it.

    ``asked``: the arguments that make it say its version, after the name by which it is called;
    without any it cannot say. ``tests``: it is the package's tests.
    """

    name: str
    module: Module
    package: str
    asked: tuple[str, ...] = ()
    called: str | None = None
    deep: bool = False
    tests: bool = False
    own_version: str | None = None

    @property
    def version(self) -> str:
        return self.own_version or self.module.version

    @property
    def built_as(self) -> str:
        """The file's name that ``go build`` gives it: the last part that is no major version."""
        parts = self.package.split("/")
        return parts[-2] if parts[-1].startswith("v") and parts[-1][1:].isdigit() else parts[-1]

    @property
    def place(self) -> Path:
        """Where it lies below the cache's directory of binaries, keyed by all it is made of."""
        return Path(f"{self.module.name}-{self.module.version}-{_key(self.module)}", self.name)


def _kubernetes(name: str, *, deep: bool = False) -> Binary:
    asked = {"kubectl": ("version", "--client"), "kubeadm": ("version", "-o", "short")}
    return Binary(
        name,
        KUBERNETES,
        f"k8s.io/kubernetes/cmd/{name}",
        asked.get(name, ("--version",)),
        deep=deep,
    )


_ALL = (
    # The order in which they are built: the longest first.
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    _kubernetes("kube-scheduler"),
    _kubernetes("kubectl"),
    Binary(
        "agnhost",
        KUBERNETES,
        "k8s.io/kubernetes/test/images/agnhost",
        ("--version",),
        own_version="2.56",
    ),
    Binary("calico-node", CALICO, f"{_CALICO}/node/cmd/calico-node", ("-v",)),
    # It is two programs, and looks at the name by which it is called.
    Binary("calico-cni", CALICO, f"{_CALICO}/cni-plugin/cmd/calico", ("-v",), called="calico"),
    Binary("etcd", ETCD, "go.etcd.io/etcd/server/v3", ("--version",)),
    _kubernetes("kubelet", deep=True),
    _kubernetes("kubeadm", deep=True),
    _kubernetes("kube-proxy", deep=True),
    Binary("calico-cni-install", CALICO, f"{_CALICO}/cni-plugin/cmd/install", deep=True),
    Binary(
        "calico-kube-controllers",
        CALICO,
        f"{_CALICO}/kube-controllers/cmd/kube-controllers",
        ("-version",),
        deep=True,
    ),
    Binary(
        "calico-check-status", CALICO, f"{_CALICO}/kube-controllers/cmd/check-status", deep=True
    ),
    Binary("coredns", COREDNS, "github.com/coredns/coredns", ("-version",), deep=True),
    Binary("multus", MULTUS, f"{_MULTUS}/cmd/multus", ("--version",), deep=True),
    Binary("multus-install", MULTUS, f"{_MULTUS}/cmd/install_multus", deep=True),
    Binary("multus-entrypoint", MULTUS, f"{_MULTUS}/cmd/thin_entrypoint", deep=True),
    Binary("multus-passthru", MULTUS, f"{_MULTUS}/cmd/passthru-cni", deep=True),
    Binary(
        "e2e.test", KUBERNETES, "k8s.io/kubernetes/test/e2e", ("--version",), deep=True, tests=True
    ),
)

BINARIES = {binary.name: binary for binary in _ALL}
#: What an embedded cluster needs, and what a deep lab's needs.
DEFAULT = tuple(name for name, binary in BINARIES.items() if not binary.deep)
DEEP = tuple(BINARIES)


@dataclass(frozen=True)
class Cost:
    """What building takes: minutes on two idle cores, GiB of disk meanwhile and afterwards."""

    minutes: int
    building_gib: float
    kept_gib: float


#: Whether the deep lab's programs are built, too → what it costs (measured, rounded up).
COST = {False: Cost(8, 7, 0.6), True: Cost(15, 12, 1.2)}


@cache
def _key(module: Module) -> str:
    made_of = hashlib.sha256(f"{module.linker_flags}\n{platform.machine()}\n".encode())
    for name in ("go.mod", "go.sum"):
        made_of.update((module.directory / name).read_bytes())
    return made_of.hexdigest()[:12]
