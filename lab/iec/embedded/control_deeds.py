"""What faults do to the embedded control plane: its programs, its settings, who may do what."""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from lab.iec.embedded.api import Object
from lab.iec.embedded.program import Program

if TYPE_CHECKING:
    from lab.iec.embedded.deeds import Cluster

_SERVER = "kube-apiserver"
_ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
_BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"


def _for_everybody(authentication: Object) -> None:
    authentication["anonymous"] = {"enabled": True}


def _plain_first(encryption: Object) -> None:
    """What is written is plain; what has been written can still be read."""
    for resource in encryption["resources"]:
        resource["providers"].reverse()


def _silent(policy: Object) -> None:
    policy["rules"] = [{"level": "None"}]


#: fault → the API server's file that is another, and what is done to its content.
SETTINGS: dict[str, tuple[str, Callable[[Object], None]]] = {
    "k8s.anyone-allowed": ("authentication.json", _for_everybody),
    "k8s.secrets-plain": ("encryption.json", _plain_first),
    "k8s.audit-off": ("audit-policy.json", _silent),
}

_ANYBODY = "system:unauthenticated"
_ACCOUNTS = "system:serviceaccounts"
#: fault → the group that is granted something, and what.
GRANTS: dict[str, tuple[str, list[Object]]] = {
    "k8s.anyone-allowed": (
        _ANYBODY,
        [
            {"apiGroups": [""], "resources": ["*"], "verbs": ["get", "list"]},
            {"nonResourceURLs": ["*"], "verbs": ["get"]},
        ],
    ),
    "k8s.rights-too-wide": (
        _ACCOUNTS,
        [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "list"]}],
    ),
    "k8s.secrets-readable": (
        _ACCOUNTS,
        [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}],
    ),
}

#: fault → the program that does not run.
STOPPED = {
    "k8s.etcd-down": "etcd",
    "k8s.controllers-stopped": "kube-controller-manager",
    "k8s.scheduler-stopped": "kube-scheduler",
}

#: fault → the version that the last node says its kubelet is of.
VERSIONS = {"k8s.node-other-version": "v1.34.0", "k8s.node-newer": "v1.99.0"}

Restart = Callable[["Cluster"], Awaitable[None]]


async def stop(fault: str, cluster: Cluster) -> None:
    await cluster.programs[STOPPED[fault]].stop()


async def start(fault: str, cluster: Cluster) -> None:
    cluster.programs[STOPPED[fault]].start()
    # Without etcd the API server is not ready, and takes a moment to find it again.
    await cluster.api.ready()


async def grant(fault: str, cluster: Cluster) -> None:
    group, rules = GRANTS[fault]
    meta = {"name": fault}
    await cluster.api.create(_ROLES, {"metadata": meta, "rules": rules})
    api = "rbac.authorization.k8s.io"
    binding = {
        "metadata": meta,
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": fault},
        "subjects": [{"apiGroup": api, "kind": "Group", "name": group}],
    }
    await cluster.api.create(_BINDINGS, binding)


async def withdraw(fault: str, cluster: Cluster) -> None:
    for collection in (_BINDINGS, _ROLES):
        await cluster.api.delete(f"{collection}/{fault}")


async def change(fault: str, restart: Restart, cluster: Cluster) -> None:
    """The API server runs with another setting."""
    name, how = SETTINGS[fault]
    place = cluster.files / name
    cluster.kept[fault] = before = place.read_text()
    content = json.loads(before)
    how(content)
    place.write_text(json.dumps(content))
    await restart(cluster)
    if fault in GRANTS:
        await grant(fault, cluster)


async def change_back(fault: str, restart: Restart, cluster: Cluster) -> None:
    if fault in GRANTS:
        await withdraw(fault, cluster)
    before = cluster.kept.pop(fault)
    assert isinstance(before, str)
    (cluster.files / SETTINGS[fault][0]).write_text(before)
    await restart(cluster)


async def tell_version(fault: str, cluster: Cluster) -> None:
    node = cluster.nodes[-1]
    cluster.kept[fault] = node.version
    node.version = VERSIONS[fault]
    await node.register(ready=True)


async def tell_own_version(fault: str, cluster: Cluster) -> None:
    version = cluster.kept.pop(fault)
    assert isinstance(version, str)
    cluster.nodes[-1].version = version
    await cluster.nodes[-1].register(ready=True)


def _file(program: Program, flag: str) -> Path:
    """The file that a program's flag names."""
    start = f"--{flag}="
    return Path(next(part for part in program.argv if part.startswith(start)).removeprefix(start))


async def shorten_certificate(restart: Restart, cluster: Cluster) -> None:
    """The API server shows a certificate that ends tomorrow."""
    program = cluster.programs[_SERVER]
    places = [_file(program, flag) for flag in ("tls-cert-file", "tls-private-key-file")]
    cluster.kept["certificate"] = [place.read_bytes() for place in places]
    now = x509.load_pem_x509_certificate(places[0].read_bytes())
    names = now.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    cluster.authority.server(
        places[0].stem,
        _SERVER,
        [str(name.value) for name in names],
        lifetime=datetime.timedelta(days=1),
    )
    await restart(cluster)


async def lengthen_certificate(restart: Restart, cluster: Cluster) -> None:
    program = cluster.programs[_SERVER]
    contents = cluster.kept.pop("certificate")
    assert isinstance(contents, list)
    for flag, content in zip(("tls-cert-file", "tls-private-key-file"), contents, strict=True):
        _file(program, flag).write_bytes(content)
    await restart(cluster)


async def break_at_restarts(cluster: Cluster) -> None:
    """When the API server has been started anew, all containers are, too."""
    async for _ in cluster.programs[_SERVER].new_starts():
        await asyncio.gather(*(node.end_containers() for node in cluster.nodes))
