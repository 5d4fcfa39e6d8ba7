"""Lynis: a named check fails when its block of the log holds "assigned partial".

The rule is Akraino's (security_tools-logs_evaluation): a block reaches from the check's
line to the next ``====``; for a sysctl key, whose results stand line below line, to the
points that it was given. Unlike there, a check that the log does not have fails, and so
does a log that was cut off: nothing was shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from blueprints.checks import Check
from blueprints.errors import Unacceptable

_END = re.compile(r"(?:Program|Lynis) ended successfully")
_STARTED = re.compile(r"(?:Starting Lynis|Lynis \d|### Starting )")
#: Lines that Lynis 3 words otherwise than the one that Akraino took them from.
_REWORDED = {
    "Test: Checking SHA_CRYPT_MIN_ROUNDS option in /etc/login.defs": (
        "Test: Checking SHA_CRYPT_{MIN,MAX}_ROUNDS option in /etc/login.defs"
    ),
}
_SHORT = re.compile(r"^Performing test ID (\S+)|^Result: sysctl key (\S+)")


def judge(log: str, named: Iterable[str]) -> list[Check]:
    """Judge each of the ``named`` checks. Raises `Unacceptable` for what is no whole log."""
    if not _STARTED.search(log) and "Performing test ID" not in log:
        raise Unacceptable("no log of Lynis: no test was performed in it")
    if not _END.search(log):
        raise Unacceptable("the log of Lynis was cut off: it does not say that Lynis ended")
    return [_check(log, name) for name in named]


def without_boot_loader(log: str) -> bool:
    """Whether Lynis left the boot loader's password out, as the machine has no boot loader."""
    return "Skipped test BOOT-5122" in log and "no GRUB configuration file found" in log


def short_name(named: str) -> str:
    """``AUTH-9328`` or ``fs.suid_dumpable`` where there is such a name, else the whole line."""
    match = _SHORT.match(named)
    return (match[1] or match[2]) if match else named.removeprefix("Test: ")


def _check(log: str, named: str) -> Check:
    blocks = list(_blocks(log, named)) or list(_blocks(log, _REWORDED.get(named, named)))
    name = short_name(named)
    if not blocks:
        return Check(name, f"the log has no line {named!r}")
    for block in blocks:
        for line in block.splitlines():
            if "assigned partial" in line:
                return Check(name, line.partition("Hardening: ")[2] or line.strip())
    return Check(name)


def _blocks(log: str, named: str) -> Iterator[str]:
    end = "hardening points" if named.startswith("Result:") else "===="
    at = log.find(named)
    while at >= 0:
        stop = log.find(end, at + len(named))
        stop = len(log) if stop < 0 else stop
        line_end = log.find("\n", stop)
        # A sysctl key's verdict stands on the line that ends its block.
        yield log[at : line_end if end != "====" and line_end >= 0 else stop]
        at = log.find(named, stop)
