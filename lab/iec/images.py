"""The cluster's container images, made offline from programs that are on this machine.

They have the names and the places of programs that upstream's have, so that stock manifests run
on them unchanged. What is in them is the cluster's own programs, and this machine's busybox,
shell and packet-filter tools with the libraries that they load.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.debian import install_line
from lab.errors import ToolMissing
from lab.iec import binaries
from lab.iec.binaries.catalogue import BINARIES, CALICO, COREDNS, ETCD, KUBERNETES, MULTUS
from lab.iec.oci import Content, digest_of, write_archive
from lab.payload import RECENT_S, cache_dir

#: Debian packages that bring what images take from this machine.
PACKAGES = (
    "busybox-static", "conntrack", "containernetworking-plugins", "dash", "iproute2", "ipset",
    "iptables", "nftables",
)  # fmt: skip
#: For `ldd` or `busybox` to answer (s).
_ASKING_S = 20.0
_KUBERNETES_REGISTRY = "registry.k8s.io"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_PACKET_TOOLS = ("xtables-nft-multi", "xtables-legacy-multi", "ipset", "conntrack", "nft", "ip")
#: The names by which iptables is called, and the program that each is.
_IPTABLES = {
    f"/usr/sbin/{family}{kind}{verb}": f"/usr/sbin/xtables-{kind.strip('-') or 'nft'}-multi"
    for family in ("iptables", "ip6tables")
    for kind in ("", "-nft", "-legacy")
    for verb in ("", "-save", "-restore")
}
#: Plugins that Calico's CNI image installs beside its own.
_CNI_PLUGINS = ("bandwidth", "host-local", "loopback", "portmap", "tuning")
#: What e2e tests call in a pod; a machine that lacks one has fewer conformance tests to pass.
_TEST_TOOLS = ("curl", "dig", "nc.openbsd", "ip")

_BASE_TEXTS = {
    "/etc/passwd": "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "/etc/nsswitch.conf": "hosts: files dns\nprotocols: files\n",
    # Without it ipset takes no port of a protocol, and Felix dies of a policy with a named port.
    "/etc/protocols": "icmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nsctp 132 SCTP\n",
}
_BASE_DIRECTORIES = ("/tmp", "/etc", "/proc", "/sys", "/dev", "/var", "/run", "/root")  # noqa: S108

# Upstream's image has runit, which no package registry of ours carries: this starts the same
# programs. Felix ends by itself when its configuration changes, and must come again.
_START_NODE = """#!/bin/sh
calico-node -startup || exit
NODENAME=$(cat /var/lib/calico/nodename) || exit
export NODENAME
calico-node -allocate-tunnel-addrs -allocate-tunnel-addrs-run-once || exit
calico-node -monitor-token &
calico-node -monitor-addresses &
calico-node -allocate-tunnel-addrs &
trap 'kill $felix; exit' TERM INT
while :; do
    calico-node -felix &
    felix=$!
    wait $felix
    sleep 0.3
done
"""


@dataclass(frozen=True)
class Image:
    """``programs``: place → one of the cluster's; ``tools``: this machine's, by name."""

    reference: str
    programs: Mapping[str, str] = field(default_factory=dict)
    tools: Sequence[str] = ()
    optional_tools: Sequence[str] = ()
    plugins: Sequence[str] = ()
    busybox: bool = False
    texts: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    same: Mapping[str, str] = field(default_factory=dict)
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    path: str = _PATH

    @property
    def config(self) -> dict[str, list[str]]:
        given = {"Entrypoint": [*self.entrypoint], "Cmd": [*self.command]}
        return {"Env": [f"PATH={self.path}"], **{k: v for k, v in given.items() if v}}


@dataclass(frozen=True)
class Archive:
    """An image in a file that ``ctr images import`` takes; ``digest`` is its manifest's."""

    reference: str
    path: Path
    digest: str


def _component(name: str) -> Image:
    return Image(
        f"{_KUBERNETES_REGISTRY}/{name}:v{KUBERNETES.version}", {f"/usr/local/bin/{name}": name}
    )


_CALICO = f":v{CALICO.version}"
_AGNHOST = BINARIES["agnhost"].version
_TESTS = f"{_KUBERNETES_REGISTRY}/e2e-test-images"

IMAGES = {
    "kube-apiserver": _component("kube-apiserver"),
    "kube-controller-manager": _component("kube-controller-manager"),
    "kube-scheduler": _component("kube-scheduler"),
    "kube-proxy": Image(
        f"{_KUBERNETES_REGISTRY}/kube-proxy:v{KUBERNETES.version}",
        {"/usr/local/bin/kube-proxy": "kube-proxy"},
        tools=_PACKET_TOOLS,
        busybox=True,
        links=_IPTABLES,
    ),
    "etcd": Image(f"{_KUBERNETES_REGISTRY}/etcd:{ETCD.version}-0", {"/usr/local/bin/etcd": "etcd"}),
    "coredns": Image(
        f"{_KUBERNETES_REGISTRY}/coredns/coredns:v{COREDNS.version}",
        {"/coredns": "coredns"},
        entrypoint=["/coredns"],
    ),
    # Upstream's is a program in C; what it has to do is to be there.
    "pause": Image(
        f"{_KUBERNETES_REGISTRY}/pause:3.10.1",
        busybox=True,
        entrypoint=["/bin/sleep", "2147483647"],
    ),
    "calico-cni": Image(
        f"docker.io/calico/cni{_CALICO}",
        {"/opt/cni/bin/install": "calico-cni-install", "/opt/cni/bin/calico": "calico-cni"},
        plugins=_CNI_PLUGINS,
        busybox=True,
        same={"/opt/cni/bin/calico-ipam": "/opt/cni/bin/calico"},
        path=f"/opt/cni/bin:{_PATH}",
    ),
    "calico-node": Image(
        f"docker.io/calico/node{_CALICO}",
        {"/bin/calico-node": "calico-node"},
        tools=_PACKET_TOOLS,
        busybox=True,
        texts={"/usr/sbin/start_runit": _START_NODE},
        links=_IPTABLES,
        command=["start_runit"],
    ),
    "calico-kube-controllers": Image(
        f"docker.io/calico/kube-controllers{_CALICO}",
        {
            "/usr/bin/kube-controllers": "calico-kube-controllers",
            "/usr/bin/check-status": "calico-check-status",
        },
        entrypoint=["/usr/bin/kube-controllers"],
    ),
    "multus": Image(
        f"ghcr.io/k8snetworkplumbingwg/multus-cni:v{MULTUS.version}",
        {
            "/usr/src/multus-cni/bin/multus": "multus",
            "/usr/src/multus-cni/bin/passthru": "multus-passthru",
            "/install_multus": "multus-install",
            "/thin_entrypoint": "multus-entrypoint",
        },
        entrypoint=["/thin_entrypoint"],
    ),
    "agnhost": Image(
        f"{_TESTS}/agnhost:{_AGNHOST}",
        {"/agnhost": "agnhost"},
        optional_tools=_TEST_TOOLS,
        busybox=True,
        entrypoint=["/agnhost"],
        command=["pause"],
    ),
    "busybox": Image(f"{_TESTS}/busybox:1.37.0-1", busybox=True, command=["sh"]),
}


def make(names: Iterable[str] = tuple(IMAGES)) -> dict[str, Archive]:
    """Archives of the images of these names (keys of `IMAGES`), in the cache; made once.

    Raises `ToolMissing` for a program that is neither built nor installed.
    """
    chosen = {name: IMAGES[name] for name in names}
    needed = {program for image in chosen.values() for program in image.programs.values()}
    if lacking := binaries.missing(needed, exact=True):
        raise ToolMissing("images cannot be made", found=lacking)
    programs = binaries.find(needed, exact=True)
    directory = cache_dir() / "iec" / "images"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # a second one finds them made
        return {name: _made(image, programs, directory) for name, image in chosen.items()}


def _made(image: Image, programs: Mapping[str, Path], directory: Path) -> Archive:
    content = _content(image, programs)
    stem = re.sub(r"[/:]", "_", image.reference)
    path = directory / f"{stem}-{_stamp(image, content)}.tar"
    if path.exists():
        os.utime(path)
    else:
        write_archive(path, image.reference, content, config=image.config)
        _prune(directory, stem, path)
    return Archive(image.reference, path, digest_of(path))


def _stamp(image: Image, content: Content) -> str:
    return hashlib.sha256(f"{content.stamp()}{image.config}".encode()).hexdigest()[:12]


def _prune(directory: Path, stem: str, made: Path) -> None:
    """Remove what the image was before, unless somebody may be importing it."""
    for path in directory.glob(f"{stem}-*.tar*"):
        if path != made and time.time() - path.stat().st_mtime > RECENT_S:
            path.unlink(missing_ok=True)


def _content(image: Image, programs: Mapping[str, Path]) -> Content:
    files = {place: programs[name] for place, name in image.programs.items()}
    links = dict(image.links)
    files |= {f"/opt/cni/bin/{name}": _plugin(name) for name in image.plugins}
    tools = [_tool(name) for name in image.tools]
    tools += [Path(found) for name in image.optional_tools if (found := shutil.which(name))]
    if image.busybox:
        # Of the two shells, busybox' own prefers its applets to programs of the same name.
        shell = _tool("dash").resolve()
        tools.append(shell)
        links["/bin/sh"] = str(shell)
    for tool in tools:
        files[str(tool)] = tool.resolve()
        if tool.name == "nc.openbsd":
            links["/usr/bin/nc"] = str(tool)
    loaded = [tool.resolve() for tool in tools]
    if any(tool.name.startswith("xtables-") for tool in tools):
        extensions = _xtables()
        files |= {str(extension): extension for extension in extensions}
        loaded += extensions
    files |= {library: Path(library).resolve() for library in _libraries(loaded)}
    if image.busybox:
        files["/bin/busybox"] = _tool("busybox").resolve()
        taken = {Path(place).name for place in (*files, *links, *image.texts)}
        links |= {f"/bin/{name}": "busybox" for name in _applets() if name not in taken}
    return Content(
        files, {**_BASE_TEXTS, **image.texts}, links, image.same, directories=_BASE_DIRECTORIES
    )


def _tool(name: str) -> Path:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise ToolMissing(
            "images cannot be made from this machine's tools",
            found=f"no {name}",
            advice=install_line(PACKAGES),
        )
    return Path("/usr/sbin" if found.startswith(("/sbin/", "/usr/sbin/")) else "/usr/bin", name)


def _plugin(name: str) -> Path:
    path = Path("/usr/lib/cni", name)
    if not path.exists():
        raise ToolMissing(
            "images cannot be made from this machine's CNI plugins",
            found=f"no {path}",
            advice=install_line(PACKAGES),
        )
    return path


def _xtables() -> list[Path]:
    """The extensions that iptables loads at run time."""
    return sorted(path for place in Path("/usr/lib").glob("*/xtables") for path in place.iterdir())


def _libraries(programs: Sequence[Path]) -> list[str]:
    """The shared libraries that programs of this machine load, as their places."""
    if not programs:
        return []
    told = subprocess.run(
        [_tool("ldd"), *programs], capture_output=True, text=True, timeout=_ASKING_S, check=False
    ).stdout
    return sorted(set(re.findall(r"(?:^\t|=> )(/\S+)", told, re.MULTILINE)))


def _applets() -> list[str]:
    told = subprocess.run(
        [_tool("busybox"), "--list"], capture_output=True, text=True, timeout=_ASKING_S, check=True
    ).stdout
    return [name for name in told.split() if name != "busybox"]
