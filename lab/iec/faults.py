"""What can go wrong with the cluster on request.

All are flags on the control plane's host. In the embedded cluster a watcher does the deed of the
same name (`lab.iec.embedded.deeds`), or its node agent looks at the flag in the act; a deep
lab's machine acts it out (`lab.deep.faults`). Each spoils the one thing that its criterion
judges, and leaves what is needed to get there as it is.
"""

from __future__ import annotations

from pathlib import Path

from lab.faultflags import DIRECTORY, Fault
from lab.iec.filters import ADDRESSES_KEPT, FILTERS, OPEN_AT_RESTARTS
from lab.iec.rewriting import REWRITINGS
from lab.wait import wait_for

_ROLES = ("tars-master",)
#: Where pods run: what is done to a node is done to all. An embedded master has all nodes.
_NODES = ("tars-master", "tars-agent")

#: Where the embedded cluster tells that a deed is done, from its host's home directory.
_DONE = Path("iec/faults-done")
_UP = Path("iec/up")
_TIMEOUT_S = 75.0

FAULTS = (
    Fault("k8s.api-down", _ROLES, "the API server is stopped"),
    Fault("k8s.node-away", _ROLES, "the last node is not ready, and sends no sign of life"),
    Fault("k8s.etcd-down", _ROLES, "etcd is stopped"),
    Fault("k8s.controllers-stopped", _ROLES, "the controller manager is stopped"),
    Fault("k8s.scheduler-stopped", _ROLES, "the scheduler is stopped"),
    Fault("k8s.node-other-version", _ROLES, "a node's kubelet is of another patch level"),
    Fault("k8s.node-newer", _ROLES, "a node's kubelet is newer than the API server"),
    Fault("k8s.restart-breaks", _ROLES, "when the API server is started anew, so is everything"),
    Fault("k8s.anyone-allowed", _ROLES, "anybody may read what is no secret"),
    Fault("k8s.rights-too-wide", _ROLES, "every service account may list and make pods"),
    Fault("k8s.secrets-readable", _ROLES, "every service account may read secrets"),
    Fault("k8s.secrets-plain", _ROLES, "secrets are kept as they are"),
    Fault("k8s.audit-off", _ROLES, "the audit log says nothing"),
    Fault("k8s.logs-empty", _ROLES, "the logs of pods are empty"),
    Fault("k8s.certificate-short", _ROLES, "the API server's certificate ends tomorrow"),
    Fault("k8s.certificate-file-short", _ROLES, "a certificate of the control plane ends tomorrow"),
    Fault("k8s.system-pod-broken", _ROLES, "a pod of the system has no image"),
    Fault("k8s.secrets-refused", _ROLES, "conformance tests may make no secret"),
    *(Fault(name, _ROLES, rewriting.does) for name, rewriting in REWRITINGS.items()),
    *(Fault(name, _NODES, filtering.does) for name, filtering in FILTERS.items()),
    Fault(
        OPEN_AT_RESTARTS, _NODES, "a node whose Felix is started anew lets all through meanwhile"
    ),
    Fault(ADDRESSES_KEPT, _NODES, "the addresses of pods that are gone are never given back"),
)


def await_deed(flag: Path, *, done: bool) -> None:
    """Wait until the embedded cluster has done, or undone, what the flag says.

    ``flag``: the fault's flag file. Nothing is waited for where no cluster was deployed. Raises
    `WaitTimeout`.
    """
    home = flag.parents[len(DIRECTORY.parts)]
    if (home / _UP).exists():
        wait_for(
            f"{flag.name} {'done' if done else 'undone'} by the embedded cluster",
            lambda: (home / _DONE / flag.name).exists() == done,
            timeout=_TIMEOUT_S,
            advice="see .iec4/services/iec/log on the control plane's host",
        )
