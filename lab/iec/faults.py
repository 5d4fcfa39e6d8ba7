"""What can go wrong with the cluster on request.

All are flags on the control plane's host. In the embedded cluster a watcher does the deed of the
same name (`lab.iec.embedded.deeds`), or its node agent looks at the flag in the act; a deep
lab's machine acts it out (`lab.deep.faults`). Each spoils the one thing that its criterion
judges, and leaves what is needed to get there as it is.
"""

from __future__ import annotations

from pathlib import Path

from lab.faultflags import DIRECTORY, Fault
from lab.iec.rewriting import REWRITINGS
from lab.wait import wait_for

_ROLES = ("tars-master",)

#: Where the embedded cluster tells that a deed is done, from its host's home directory.
_DONE = Path("iec/faults-done")
_UP = Path("iec/up")
_TIMEOUT_S = 75.0

FAULTS = (
    Fault("k8s.api-down", _ROLES, "the API server is stopped"),
    Fault("k8s.node-away", _ROLES, "the last node is not ready, and sends no sign of life"),
    *(Fault(name, _ROLES, rewriting.does) for name, rewriting in REWRITINGS.items()),
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
