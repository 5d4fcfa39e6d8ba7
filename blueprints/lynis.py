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
#: How a line begins that names no test → the test that prints it.
_PRINTED_BY = {
    "Test: Checking presence /var/run/reboot-required.pkgs": "KRNL-5830",
    "Test: Checking SHA_CRYPT_MIN_ROUNDS": "AUTH-9230",
    "Test: Checking PASS_MAX_DAYS": "AUTH-9286",
    "Test: collecting accounts which have an expired password": "AUTH-9288",
    "Test: Checking ": "SSH-7408",
    "Test: checking for file /etc/network/if-up.d/ntpdate": "TIME-3104",
    "Result: sysctl key": "KRNL-6000",
    "Test: Check if one or more compilers": "HRDN-7220",
}
#: Tests that find out what others need to know.
_FIRST = ("BOOT-5121", "SSH-7402", "SSH-7404", "SSH-7406")
_SHORT = re.compile(r"^Performing test ID (\S+)|^Result: sysctl key (\S+)")


def judge(log: str, named: Iterable[str]) -> list[Check]:
    """Judge each of the ``named`` checks. Raises `Unacceptable` for what is no whole log."""
    if not _STARTED.search(log) and "Performing test ID" not in log:
        raise Unacceptable("no log of Lynis: no test was performed in it")
    if not _END.search(log):
        raise Unacceptable("the log of Lynis was cut off: it does not say that Lynis ended")
    return [_check(log, name) for name in named]


def tests(named: Iterable[str]) -> list[str]:
    """The ids of the tests in which Lynis makes the ``named`` checks, and of those before them."""
    found = {
        match[1]
        if (match := _SHORT.match(line)) and match[1]
        else next(test for start, test in _PRINTED_BY.items() if line.startswith(start))
        for line in named
    }
    return [*_FIRST, *sorted(found)]


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
