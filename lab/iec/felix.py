"""Felix, Calico's agent that puts policies into the kernel, on all nodes: ended, and back."""

from __future__ import annotations

from lab.errors import SystemDown
from lab.iec.host_programs import MASTER, ClusterHost, Program
from lab.session import Lab
from lab.wait import wait_for

#: The role of the hosts that are nodes, beside those with a control plane.
_AGENT = "tars-agent"
_PROGRAM = "calico-node"
#: The same program does other things as well.
_FLAG = "-felix"


class Felix:
    """The Felix of every node whose host the lab has."""

    def __init__(self, lab: Lab) -> None:
        names = [*lab.inventory.with_role(MASTER), *lab.inventory.with_role(_AGENT)]
        self._hosts = [ClusterHost(lab, name) for name in dict.fromkeys(names)]

    def running(self) -> dict[tuple[str, int], tuple[ClusterHost, Program]]:
        """Those that run, by host and process id."""
        return {
            (program.host, program.pid): (host, program)
            for host in self._hosts
            for program in host.programs(_PROGRAM)
            if _FLAG in program.flags
        }

    def end(self) -> set[tuple[str, int]]:
        """End all of them; whoever watches over them starts them again. Raises `SystemDown`."""
        running = self.running()
        if not running:
            raise SystemDown("no Felix runs on the cluster's hosts")
        for host, program in running.values():
            host.end(program)
        return set(running)

    def await_others(self, ended: set[tuple[str, int]], *, timeout: float) -> None:
        """Wait until as many others run as were ended; raises `WaitTimeout`."""

        def others() -> bool:
            now = set(self.running())
            return not now & ended and len(now) >= len(ended)

        wait_for("every node's Felix is another", others, timeout=timeout)
