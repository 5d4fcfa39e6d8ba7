"""Connections tried from within pods: what came of each, as packets say.

The test image's own client tries them; all of one pod are tried at once, by one command.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from lab.errors import CommandTimeout, LabError
from lab.iec.execution import Executed, execute
from lab.iec.workload import CONTAINER, Place

#: An attempt that has no answer within this time was not let through. Seconds.
ATTEMPT_S = 1
#: A command that tries some has ended by then, also where the machine is busy. Seconds.
_COMMAND_S = 20.0
#: So many pods are busy at once.
_AT_ONCE = 8

#: Tries each of its arguments, ADDRESS:PORT/PROTOCOL, and says one line of each: the argument,
#: then OPEN or what agnhost said: TIMEOUT, REFUSED, DNS, OTHER, UNKNOWN.
_TRY = f"""
for to; do (
  said=$(/agnhost connect "${{to%/*}}" --timeout={ATTEMPT_S}s --protocol="${{to##*/}}" 2>&1) &&
    said=OPEN
  printf '%s %.60s\\n' "$to" "$said"
) & done
wait
"""


class Outcome(Enum):
    """What came of an attempt; the values are the words of ``agnhost connect``."""

    OPEN = "OPEN"
    TIMEOUT = "TIMEOUT"
    REFUSED = "REFUSED"
    UNRESOLVED = "DNS"
    FAILED = "OTHER"

    @classmethod
    def of(cls, said: str) -> Outcome:
        """What a line of agnhost's means; OPEN is said in its stead where it says nothing."""
        word = said.partition(":")[0].strip()
        return cls(word) if word in _WORDS_OF_AGNHOST else cls.FAILED

    def __str__(self) -> str:
        return _WORDS[self]


_WORDS_OF_AGNHOST = {one.value for one in Outcome}
_WORDS = {
    Outcome.OPEN: "open",
    Outcome.TIMEOUT: "unanswered",
    Outcome.REFUSED: "refused",
    Outcome.UNRESOLVED: "unresolved",
    Outcome.FAILED: "unusable",
}


@dataclass(frozen=True)
class Source:
    """The pod that tries."""

    place: Place
    pod: str


@dataclass(frozen=True)
class To:
    """Where an attempt goes; ``protocol``: TCP or UDP, where an answer counts."""

    address: str
    port: int
    protocol: str = "TCP"

    def __str__(self) -> str:
        return f"{self.address}:{self.port}/{self.protocol.lower()}"


def attempt(source: Source, targets: Iterable[To]) -> dict[To, Outcome]:
    """Try connections from a pod, all at once. Raises `LabError` where it cannot be tried."""
    by_name = {str(target): target for target in targets}
    done = _run(source, ["sh", "-c", _TRY, "sh", *by_name])
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    if said.keys() != by_name.keys():
        raise LabError(
            f"pod {source.pod} did not try every connection",
            found=f"{len(said)} of {len(by_name)}",
            evidence=done.stdout + done.stderr,
        )
    return {target: Outcome.of(said[name]) for name, target in by_name.items()}


Key = TypeVar("Key")


def attempt_all(wanted: Mapping[Key, tuple[Source, To]]) -> dict[Key, Outcome]:
    """Try connections from many pods at once; each has a key by which its outcome is named."""
    by_source: dict[Source, set[To]] = {}
    for source, target in wanted.values():
        by_source.setdefault(source, set()).add(target)
    with ThreadPoolExecutor(_AT_ONCE, "traffic") as pool:
        tried = dict(
            zip(by_source, pool.map(attempt, *zip(*by_source.items(), strict=True)), strict=True)
        )
    return {key: tried[source][target] for key, (source, target) in wanted.items()}


#: Sends one datagram of the size that the pod's interface takes ($1: what is no data of it) to
#: $2:$3, which netexec's UDP server sends back; says the interface's MTU and what came of it.
_LARGE = f"""
mtu=$(ip -o link show eth0 | sed -n 's/.* mtu \\([0-9]*\\).*/\\1/p')
data="echo $(printf '%*s' $((mtu - $1)) '' | tr ' ' x)"
said=$(/agnhost connect "$2:$3" --timeout={ATTEMPT_S}s --protocol=udp --udp-data="$data" 2>&1) &&
  said=OPEN
printf '%s %.60s\\n' "$mtu" "$said"
"""
#: Of a datagram: the IPv4 header, UDP's, the command and the newline that agnhost adds.
_OVERHEAD = 20 + 8 + len("echo ") + 1


def large_datagram(source: Source, target: To) -> tuple[int, Outcome]:
    """Send a packet as large as the pod's interface takes, and await it back.

    Returns its size in bytes with what came of it; raises `LabError`.
    """
    argv = ["sh", "-c", _LARGE, "sh", str(_OVERHEAD), target.address, str(target.port)]
    mtu, _, said = _run(source, argv).stdout.strip().partition(" ")
    return int(mtu), Outcome.of(said)


def _run(source: Source, argv: list[str]) -> Executed:
    try:
        return execute(
            source.place.cluster,
            source.pod,
            argv,
            namespace=source.place.name,
            container=CONTAINER,
            timeout=_COMMAND_S,
        ).check()
    except CommandTimeout as timeout:  # which tells the whole script
        raise CommandTimeout(
            f"pod {source.pod} tries to connect without an end", found=timeout.found
        ) from None
