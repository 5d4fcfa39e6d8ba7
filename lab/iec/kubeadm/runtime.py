"""What a host needs before kubeadm: containerd and its configuration, services that live on.

Sources: containerd's docs/cri/config.md and docs/hosts.md; kubeadm's drop-in for systemd
(kubernetes/release, 10-kubeadm.conf), whose arguments the kubelet gets.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from lab.iec.installation import ClusterInstall
from lab.iec.kubeadm.documents import SOCKET
from lab.recipe import Command

CONTAINERD_CONFIGURATION = "/etc/containerd/config.toml"
_MIRRORS = "/etc/containerd/certs.d"
_PLUGIN = 'plugins."io.containerd.grpc.v1.cri"'
_SHARED_KERNEL = "  disable_apparmor = true\n  restrict_oom_score_adj = true\n"


def containerd_configuration(install: ClusterInstall) -> bytes:
    """containerd's configuration: the pause image, control groups, mirrors, where plugins lie."""
    by_systemd = "true" if install.init == "systemd" else "false"
    # Namespace machines may neither load profiles nor spare a process the kernel's killer.
    shared = "" if install.init == "systemd" else _SHARED_KERNEL
    return f"""version = 2
[{_PLUGIN}]
  sandbox_image = "{install.image_repository}/pause:{install.pause}"
{shared}  [{_PLUGIN}.cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
  [{_PLUGIN}.registry]
    config_path = "{_MIRRORS}"
  [{_PLUGIN}.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [{_PLUGIN}.containerd.runtimes.runc.options]
      SystemdCgroup = {by_systemd}
""".encode()


def mirror_files(registries: Mapping[str, str]) -> dict[str, bytes]:
    """Path → content: where containerd asks for the images of each registry."""
    found = {}
    for registry, mirror in registries.items():
        # Its own server is asked last; a closed network has none.
        path = "" if urlsplit(mirror).path.strip("/") == "" else "  override_path = true\n"
        text = f'[host."{mirror}"]\n  capabilities = ["pull", "resolve"]\n{path}'
        found[f"{_MIRRORS}/{registry}/hosts.toml"] = text.encode()
    return found


#: kubelet's arguments, as kubeadm's drop-in for systemd gives them; what kubeadm wrote comes last.
KUBELET = (
    "/usr/local/bin/kubelet",
    "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf",
    "--kubeconfig=/etc/kubernetes/kubelet.conf",
    "--config=/var/lib/kubelet/config.yaml",
)
_KUBEADM_FLAGS = "/var/lib/kubelet/kubeadm-flags.env"
#: kubeadm writes it: before, the kubelet has nothing to do.
_KUBELET_CONFIGURATION = "/var/lib/kubelet/config.yaml"

# A loop, where no init starts services again: $0 NAME COMMAND... A file that the command waits
# for is $WAITS_FOR, one with further arguments (NAME="...") $ARGUMENTS.
_LOOP = """#!/bin/sh
# Starts a service again whenever it ends, until TERM.
name=$1; shift
trap 'kill "$child" 2>/dev/null; wait "$child"; exit' TERM
while :; do
    if [ -z "$WAITS_FOR" ] || [ -e "$WAITS_FOR" ]; then
        KUBELET_KUBEADM_ARGS=
        if [ -n "$ARGUMENTS" ] && [ -e "$ARGUMENTS" ]; then . "$ARGUMENTS"; fi
        "$@" $KUBELET_KUBEADM_ARGS &
    else
        sleep 0.2 &
    fi
    child=$!
    echo "$child" >"/run/iec4/$name.child"
    wait "$child"
    sleep 0.5
done
"""
LOOP = "/usr/local/sbin/iec4-service"
LOOP_CONTENT = _LOOP.encode()

# $1 name, $2 what it is made from, then the loop's command. Running from another: ended first.
_CURRENT = """
[ "$(cat "/run/iec4/$1.made-from" 2>/dev/null)" = "$2" ] && kill -0 "$(cat "/run/iec4/$1.pid")"
"""
_START = """
name=$1 made_from=$2; shift 2
mkdir -p /run/iec4
if pid=$(cat "/run/iec4/$name.pid" 2>/dev/null) && kill -TERM "$pid" 2>/dev/null; then
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
fi
setsid "$@" >>"/var/log/$name.log" 2>&1 </dev/null &
echo "$!" >"/run/iec4/$name.pid"
echo "$made_from" >"/run/iec4/$name.made-from"
"""
_UNIT_CURRENT = """
[ "$(cat "/run/iec4/$1.made-from" 2>/dev/null)" = "$2" ] && systemctl is-active --quiet "$1"
"""
_UNIT_START = """
mkdir -p /run/iec4
systemctl daemon-reload
systemctl enable "$1"
systemctl restart "$1"
echo "$2" >"/run/iec4/$1.made-from"
"""


def unit_files(install: ClusterInstall) -> dict[str, bytes]:
    """Path → content of what systemd is told; the package of containerd brings its own unit."""
    if install.init != "systemd":
        return {LOOP: LOOP_CONTENT}
    command = shlex.join(KUBELET)
    kubelet = f"""[Unit]
Description=kubelet
Wants=network-online.target
After=network-online.target

[Service]
EnvironmentFile=-{_KUBEADM_FLAGS}
ExecStart={command} $KUBELET_KUBEADM_ARGS
Restart=always
RestartSec=10

[Install]
WantedBy=multi-user.target
"""
    files = {"/etc/systemd/system/kubelet.service": kubelet.encode()}
    if environment := install.proxy.environment:
        lines = "".join(f'Environment="{k}={v}"\n' for k, v in environment.items())
        place = "/etc/systemd/system/containerd.service.d/iec4-proxy.conf"
        files[place] = f"[Service]\n{lines}".encode()
    return files


def running(install: ClusterInstall, host: str, name: str, files: Mapping[str, bytes]) -> Command:
    """Have service ``name`` run; whenever one of ``files`` is another one, it is started anew."""
    described = repr(sorted((path, content) for path, content in files.items()))
    made_from = hashlib.sha256(described.encode()).hexdigest()
    what: Sequence[str] = (name, made_from)
    if install.init == "systemd":
        argv, current = _UNIT_START, _UNIT_CURRENT
        command: Sequence[str] = ()
    else:
        argv, current = _START, _CURRENT
        command = _looped(install, name)
    return Command(
        f"run {name}",
        host,
        ["sh", "-euc", argv, "sh", *what, *command],
        unless=["sh", "-c", current, "sh", *what],
        sudo=True,
    )


def _looped(install: ClusterInstall, name: str) -> list[str]:
    environment = [f"{key}={value}" for key, value in install.proxy.environment.items()]
    waits = ["WAITS_FOR=", "ARGUMENTS="]
    command: Sequence[str] = (name,)
    if name == "kubelet":
        waits = [f"WAITS_FOR={_KUBELET_CONFIGURATION}", f"ARGUMENTS={_KUBEADM_FLAGS}"]
        command = KUBELET
    return ["env", *environment, *waits, LOOP, name, *command]


_STOP = """
pid=$(cat "/run/iec4/$1.pid" 2>/dev/null) || exit 0
kill -TERM "$pid" 2>/dev/null || :
rm -f "/run/iec4/$1.pid" "/run/iec4/$1.made-from"
"""


def stopped(install: ClusterInstall, host: str, name: str) -> Command:
    """Have service ``name`` run no more, and not be started again."""
    argv = ["sh", "-euc", _STOP, "sh", name]
    if install.init == "systemd":
        argv = ["systemctl", "disable", "--now", name]
    return Command(f"stop {name}", host, argv, sudo=True)


def containerd_answers(host: str) -> Command:
    """Wait until containerd serves its socket."""
    script = """
    left=300
    until ctr --address "$1" version >/dev/null 2>&1; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || { ctr --address "$1" version; exit 1; }
        sleep 0.1
    done
    """
    return Command(
        "containerd answers", host, ["sh", "-uc", script, "sh", SOCKET], sudo=True, timeout=60
    )
