"""Steps by kubeadm itself: the control plane, its kubeconfig, and hosts that join it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass

from lab.iec.kubeadm.documents import DIRECTORY
from lab.recipe import Command, Step
from lab.secrets import redactor
from lab.session import Lab

#: For kubeadm, whose own time-outs are shorter, with images to be pulled (s).
KUBEADM_S = 900.0
#: For a host to join (as kubeadm reads it): its token is worth nothing afterwards.
_ENDS_AFTER = "15m"

ADMIN = f"{DIRECTORY}/admin.conf"
_OWN = f"{DIRECTORY}/iec4"
#: On each host: ours is under way there, or done.
_BEGUN, _DONE = f"{_OWN}/begun", f"{_OWN}/done"
_CONFIGURATION = f"{_OWN}/kubeadm.yaml"
_DISCOVERY = f"{_OWN}/discovery.conf"

# What a Kubernetes of somebody else's has is not touched; what is left of a try of ours goes.
_CLEARED = f"""
if [ -e {_BEGUN} ]; then
    kubeadm reset --force
elif [ -e {DIRECTORY}/kubelet.conf ]; then
    echo "this host is a node of a Kubernetes that the suite did not set up" >&2
    exit 1
fi
mkdir -p {_OWN}
touch {_BEGUN}
"""
_FINISHED = f"mv {_BEGUN} {_DONE}"
_INIT = f"""
{_CLEARED}
kubeadm init --config {_CONFIGURATION} --skip-token-print "$@"
{_FINISHED}
"""
_JOIN = f"""
{_CLEARED}
umask 077
trap 'rm -f {_DISCOVERY}' EXIT
cat >{_DISCOVERY}
kubeadm join --config {_CONFIGURATION} "$@"
{_FINISHED}
"""
_THERE = ["test", "-e", _DONE]

CONFIGURATION, DISCOVERY = _CONFIGURATION, _DISCOVERY


def _ignoring(checks: tuple[str, ...]) -> list[str]:
    return [f"--ignore-preflight-errors={','.join(checks)}"] if checks else []


def init(host: str, *, ignore: tuple[str, ...]) -> Command:
    """Make the control plane as `CONFIGURATION` says, once."""
    return Command(
        "kubeadm init",
        host,
        ["sh", "-euc", _INIT, "sh", *_ignoring(ignore)],
        unless=_THERE,
        timeout=KUBEADM_S,
        sudo=True,
    )


@dataclass(frozen=True)
class Join(Step):
    """Have a host join the control plane on host ``master`` at ``endpoint``, once.

    It is told by a file what to trust and, with a token that soon ends, who it is: nobody has to
    be let in without a name for it.
    """

    master: str
    endpoint: str
    ignore: tuple[str, ...] = ()

    def execute(self, lab: Lab) -> str:
        host, master = lab.host(self.host), lab.host(self.master)
        if host.run(_THERE, sudo=True).ok:
            return "unchanged"
        create = ["kubeadm", "token", "create", "--ttl", _ENDS_AFTER]
        token = master.run(create, sudo=True, timeout=60).check().text.split()[-1]
        redactor.add(token)
        ca = master.run(["cat", f"{DIRECTORY}/pki/ca.crt"], sudo=True).check().stdout
        join = ["sh", "-euc", _JOIN, "sh", *_ignoring(self.ignore)]
        told = discovery(self.endpoint, ca, token)
        host.run(join, stdin=told, sudo=True, timeout=KUBEADM_S).check()
        return "done"

    def describe(self) -> str:
        return f"sudo kubeadm join --config {_CONFIGURATION}, by a token of {self.master}"


def discovery(endpoint: str, ca: bytes, token: str) -> bytes:
    """A kubeconfig of the bootstrap token's user; JSON is YAML, too."""
    data = base64.b64encode(ca).decode()
    named = {"name": "iec4"}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "iec4",
            "clusters": [
                {
                    **named,
                    "cluster": {
                        "server": f"https://{endpoint}",
                        "certificate-authority-data": data,
                    },
                }
            ],
            "users": [{**named, "user": {"token": token}}],
            "contexts": [{**named, "context": {"cluster": "iec4", "user": "iec4"}}],
        }
    ).encode()


def apply(title: str, host: str, content: bytes | Callable[[], bytes]) -> Command:
    """Have the cluster be as objects of a manifest say."""
    return Command(
        title,
        host,
        ["kubectl", "--kubeconfig", ADMIN, "apply", "-f", "-"],
        stdin=content,
        timeout=120,
        sudo=True,
    )


def rolled_out(host: str, resource: str, *, timeout: float) -> Command:
    """Wait until all pods of a workload in kube-system are there and ready."""
    argv = ["kubectl", "--kubeconfig", ADMIN, "--namespace", "kube-system", "rollout", "status"]
    return Command(
        f"{resource} is ready",
        host,
        [*argv, resource, f"--timeout={timeout:g}s"],
        timeout=timeout + 30,
        sudo=True,
    )


def ready(host: str, nodes: list[str], *, timeout: float) -> Command:
    """Wait until nodes are ready."""
    argv = ["kubectl", "--kubeconfig", ADMIN, "wait", "--for=condition=Ready"]
    return Command(
        "nodes are ready",
        host,
        [*argv, *(f"node/{name}" for name in nodes), f"--timeout={timeout:g}s"],
        timeout=timeout + 30,
        sudo=True,
    )


def reset(host: str) -> Command:
    """Take back what kubeadm made on a host of ours."""
    script = f"kubeadm reset --force && rm -rf {_OWN} /etc/cni/net.d /var/lib/cni"
    return Command(
        "kubeadm reset",
        host,
        ["sh", "-euc", script],
        unless=["sh", "-c", f"[ ! -e {_DONE} ] && [ ! -e {_BEGUN} ]"],
        timeout=300,
        sudo=True,
    )
