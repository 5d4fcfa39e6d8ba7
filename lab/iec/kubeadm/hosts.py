"""Steps on each host before kubeadm: kernel, packages, programs, containerd, images, kubelet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.fetching import fetch
from lab.iec.installation import BINARIES, KEYRING, ClusterInstall, Download, ImageArchive
from lab.iec.kubeadm.documents import DIRECTORY
from lab.iec.kubeadm.runtime import (
    CONTAINERD_CONFIGURATION,
    containerd_answers,
    containerd_configuration,
    mirror_files,
    running,
    unit_files,
)
from lab.recipe import Command, Step, Write
from lab.session import Lab

#: For packages to arrive, for images to be unpacked (s).
PACKAGES_S = 900.0
IMAGES_S = 600.0
#: Programs that run on the control plane's host alone.
_CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")

_STATIC_PODS = f"{DIRECTORY}/manifests"
_PARAMETERS = {
    "net.ipv4.ip_forward": "1",
    "net.bridge.bridge-nf-call-iptables": "1",
    "net.bridge.bridge-nf-call-ip6tables": "1",
}
_PARAMETERS_FILE = "/etc/sysctl.d/90-iec4-kubernetes.conf"
_MODULES_FILE = "/etc/modules-load.d/iec4-kubernetes.conf"

_PARAMETERS_SET = """
while read -r name _ value; do [ "$(sysctl -n "$name")" = "$value" ] || exit 1; done <"$1"
"""
_MODULES_LOADED = 'for module; do [ -d "/sys/module/$module" ] || exit 1; done'
_NO_SWAP = (
    '[ "$(wc -l </proc/swaps)" -le 1 ] && ! grep -q "^[^#].*[[:space:]]swap[[:space:]]" /etc/fstab'
)
_SWAP_OFF = """
swapoff -a
sed -i -E 's/^([^#].*[[:space:]]swap[[:space:]].*)$/# \\1/' /etc/fstab
"""
_INSTALLED = """
for package; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || exit 1
done
"""
_INSTALL = 'apt-get update -q && exec apt-get install -q -y --no-install-recommends "$@"'
# Debian's package has them in another directory than everybody looks in.
_PLUGINS_LINKED = """
for plugin in /usr/lib/cni/*; do [ -e "/opt/cni/bin/${plugin##*/}" ] || exit 1; done
"""
_LINK_PLUGINS = """
mkdir -p /opt/cni/bin
for plugin in /usr/lib/cni/*; do
    if [ -e "$plugin" ] && [ ! -e "/opt/cni/bin/${plugin##*/}" ]; then
        ln -s "$plugin" /opt/cni/bin
    fi
done
"""
# Arguments: IMAGE FILE DIGEST, for each archive.
_EACH_ARCHIVE = """
there() { ctr -n k8s.io images ls -q "name==$1,target.digest==$2" | grep -q .; }
while [ $# -gt 0 ]; do
    %s
    shift 3
done
"""
_IMAGES_THERE = _EACH_ARCHIVE % 'there "$1" "$3" || exit 1'
_IMPORT_IMAGES = (
    _EACH_ARCHIVE
    % """if ! there "$1" "$3"; then
        ctr -n k8s.io images import "$2" >/dev/null
        there "$1" "$3" || { echo "$2 holds no image $1 with digest $3" >&2; exit 1; }
    fi"""
)


def prepare(install: ClusterInstall, host: str, *, control_plane: bool) -> list[Step]:
    """Everything that a host needs before it can be the control plane, or join it."""
    runtime = {
        CONTAINERD_CONFIGURATION: containerd_configuration(install),
        **mirror_files(install.registries),
    }
    units = unit_files(install)
    return [
        *_kernel(install, host),
        *_packages(install, host),
        *(_program(install, host, name) for name in BINARIES),
        *_files(host, {**runtime, **units}),
        running(install, host, "containerd", {**runtime, **units}),
        containerd_answers(host),
        *_plugins(host),
        *_images(install, host, control_plane=control_plane),
        Command(
            "make room for pods of the host's own",  # the kubelet looks there every second
            host,
            ["mkdir", "-p", _STATIC_PODS],
            unless=["test", "-d", _STATIC_PODS],
            sudo=True,
        ),
        running(install, host, "kubelet", units),
    ]


def _kernel(install: ClusterInstall, host: str) -> list[Step]:
    steps: list[Step] = []
    if install.modules:
        listed = "".join(f"{module}\n" for module in install.modules)
        steps += [
            Write("name the kernel's modules", host, _MODULES_FILE, listed.encode(), sudo=True),
            Command(
                "load the kernel's modules",
                host,
                ["modprobe", "--all", *install.modules],
                unless=["sh", "-c", _MODULES_LOADED, "sh", *install.modules],
                sudo=True,
            ),
        ]
    parameters = "".join(f"{name} = {value}\n" for name, value in _PARAMETERS.items())
    steps += [
        Write(
            "name the kernel's parameters", host, _PARAMETERS_FILE, parameters.encode(), sudo=True
        ),
        Command(
            "set the kernel's parameters",
            host,
            ["sysctl", "-q", "-p", _PARAMETERS_FILE],
            unless=["sh", "-c", _PARAMETERS_SET, "sh", _PARAMETERS_FILE],
            sudo=True,
        ),
    ]
    if install.swap == "off":
        steps.append(
            Command(
                "swap nothing any more",
                host,
                ["sh", "-euc", _SWAP_OFF],
                unless=["sh", "-c", _NO_SWAP],
                sudo=True,
            )
        )
    return steps


def _packages(install: ClusterInstall, host: str) -> list[Step]:
    steps: list[Step] = []
    if repository := install.repository:
        key, line = repository.key, f"{repository.line}\n".encode()
        steps += [
            Write(
                "trust the package repository's key",
                host,
                KEYRING,
                lambda: fetch(key.at, key.sha256).read_bytes(),
                sudo=True,
            ),
            Write(
                "name the package repository",
                host,
                "/etc/apt/sources.list.d/iec4.list",
                line,
                sudo=True,
            ),
        ]
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    proxied = {name.lower(): value for name, value in install.proxy.environment.items()}
    environment = [f"{name}={value}" for name, value in {**quiet, **proxied}.items()]
    return [
        *steps,
        Command(
            "install packages",
            host,
            ["env", *environment, "sh", "-euc", _INSTALL, "sh", *install.packages],
            unless=["sh", "-c", _INSTALLED, "sh", *install.packages],
            timeout=PACKAGES_S,
            sudo=True,
        ),
    ]


def _program(install: ClusterInstall, host: str, name: str) -> Step:
    place = f"/usr/local/bin/{name}"
    if install.mirror is None:
        return BringProgram(f"bring {name}", host, place, install.binaries[name])
    source = f"{install.mirror}/bin/{name}"
    return Command(
        f"link {name} from the mirror",
        host,
        ["ln", "-sfn", source, place],
        unless=["sh", "-c", '[ "$(readlink "$1")" = "$2" ]', "sh", place, source],
        sudo=True,
    )


@dataclass(frozen=True)
class BringProgram(Step):
    """Put a program that the inventory names by its checksum at ``place``, as root's."""

    place: str
    source: Download

    def execute(self, lab: Lab) -> str:
        host = lab.host(self.host)
        same = 'echo "$2  $1" | sha256sum --check --quiet --status'
        if host.run(["sh", "-c", same, "sh", self.place, self.source.sha256]).ok:
            return "unchanged"
        brought = f".iec4/store/{self.source.sha256}"
        host.put(fetch(self.source.at, self.source.sha256), brought)
        install = ["install", "-o", "root", "-g", "root", "-m", "755", brought, self.place]
        host.run(install, sudo=True).check()
        host.run(["rm", "-f", brought]).check()
        return "done"

    def describe(self) -> str:
        return f"sudo install {self.place} from {self.source.at} (SHA-256 {self.source.sha256})"


def _files(host: str, files: dict[str, bytes]) -> list[Step]:
    return [
        Write(
            f"write {path.rpartition('/')[2]}",
            host,
            path,
            content,
            mode=0o755 if content.startswith(b"#!") else 0o644,
            sudo=True,
        )
        for path, content in files.items()
    ]


def _plugins(host: str) -> list[Step]:
    return [
        Command(
            "link network plugins",
            host,
            ["sh", "-euc", _LINK_PLUGINS],
            unless=["sh", "-c", _PLUGINS_LINKED],
            sudo=True,
        )
    ]


def _images(install: ClusterInstall, host: str, *, control_plane: bool) -> list[Step]:
    """From archives; what is in none is pulled by kubeadm and by the kubelet."""
    wanted = [a for a in install.archives if control_plane or not _of_control_plane(a)]
    if not wanted:
        return []
    what: Sequence[str] = [
        word for archive in wanted for word in (archive.image, archive.file, archive.digest)
    ]
    return [
        Command(
            f"import {len(wanted)} images by digest",
            host,
            ["sh", "-euc", _IMPORT_IMAGES, "sh", *what],
            unless=["sh", "-c", _IMAGES_THERE, "sh", *what],
            timeout=IMAGES_S,
            sudo=True,
        )
    ]


def _of_control_plane(archive: ImageArchive) -> bool:
    return archive.image.rpartition("/")[2].partition(":")[0] in _CONTROL_PLANE
