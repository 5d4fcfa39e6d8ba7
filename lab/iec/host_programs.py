"""The control plane's programs, as they run on its host: however they were started there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from lab.errors import SystemDown
from lab.host.base import CommandResult, Host
from lab.session import Lab

#: The role of the hosts with a control plane.
MASTER = "tars-master"

#: Says of each process that is the program $1 its directory in /proc and its arguments, one a
#: line, and an empty line. Others have the name among their arguments, this script to begin with.
_FIND = r"""
for file in $(grep -lazE "^(.*/)?$1\$" /proc/[0-9]*/cmdline 2>/dev/null); do
    argv=$(tr '\0' '\n' <"$file" 2>/dev/null)
    first=${argv%%
*}
    if [ "${first##*/}" = "$1" ]; then
        printf '%s\n%s\n\n' "${file%/cmdline}" "$argv"
    fi
done
"""


@dataclass(frozen=True)
class Program:
    """A program that runs on a host: its process id, and the flags that it was given."""

    host: str
    name: str
    pid: int
    flags: dict[str, str]

    def flag(self, name: str) -> str:
        """A flag's value; raises `SystemDown` where the program runs without it."""
        if name not in self.flags:
            raise SystemDown(f"{self.name} on {self.host} runs without --{name}")
        return self.flags[name]


class ClusterHost:
    """A host of the cluster's, asked with what rights the inventory gives us.

    ``name`` None: the first one with a control plane; only for a lab that has a host of that role.
    """

    def __init__(self, lab: Lab, name: str | None = None) -> None:
        self.host: Host = lab.host(name or lab.inventory.with_role(MASTER)[0])
        self._sudo = lab.inventory.hosts[self.host.name].sudo
        self._shared = lab.inventory.kind == "embedded"

    def run(self, *argv: str, timeout: float = 30.0) -> CommandResult:
        return self.host.run(argv, sudo=self._sudo, timeout=timeout)

    def program(self, name: str) -> Program:
        """The program of that name that is this lab's; raises `SystemDown` when none runs."""
        found = self.programs(name)
        if not found:
            raise SystemDown(f"no {name} runs on {self.host.name}")
        return found[0]

    def programs(self, name: str) -> list[Program]:
        """All programs of that name that are this lab's.

        Hosts of one machine see each other's: of an embedded one those below its home count.
        """
        home = self.host.check(["sh", "-c", 'echo "$HOME"']).strip()
        blocks = self.run("sh", "-c", _FIND, "sh", name).check().text.split("\n\n")
        found = []
        for block in blocks:
            place, *argv = block.splitlines() or [""]
            if argv and (not self._shared or argv[0].startswith(f"{home}/")):
                pid = int(PurePosixPath(place).name)
                found.append(Program(self.host.name, name, pid, _flags(argv[1:])))
        return found

    def end(self, program: Program, *, signal: str = "TERM") -> None:
        """Have a program end; who watches over it starts it again.

        TERM lets it end by itself: for an API server that is a minute, while somebody watches
        something. KILL ends it as a crash would.
        """
        self.run("kill", f"-{signal}", str(program.pid)).check()


def _flags(arguments: list[str]) -> dict[str, str]:
    """``--name=value`` and ``--name`` → name and value; all that Kubernetes' programs are given."""
    pairs = (argument.removeprefix("--").partition("=") for argument in arguments)
    return {name: value or "true" for name, _, value in pairs}
