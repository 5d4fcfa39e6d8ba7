"""Lynis on every host, judged by the checks that Akraino names."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import pytest

from blueprints import lynis
from blueprints.checks import Check
from blueprints.errors import Unacceptable
from blueprints.evidence import Evidence
from blueprints.security import security_rules
from lab.errors import LabError
from lab.host.base import Host
from lab.secrets import redactor
from lab.session import Lab
from lab.task import Task

#: An audit takes 40 s where two cores are shared by three hosts. On an emulated processor a whole
#: one takes more than 7 min, and one of what Akraino names 2 min.
TIMEOUT_S = 600.0
pytestmark = pytest.mark.timeout(TIMEOUT_S + 60)

#: Where the gate looks for the logs in a run directory.
LOGS = Path("bluval/os/lynis")

#: In a directory of its own: the tests left out are no named ones; the first asks the
#: distribution's servers, which no closed lab reaches, the second reads every certificate.
AUDIT = """
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
printf 'skip-test=%s\\n' PKGS-7392 CRYP-7902 >"$place/profile"
[ $# -eq 0 ] || echo disable-plugin=debian >>"$place/profile"
lynis audit system --quick --quiet --no-colors --profile "$place/profile" "$@" \
    --logfile "$place/log" --report-file "$place/report" >"$place/output" 2>&1 </dev/null ||
    { cat "$place/output" >&2; exit 1; }
gzip -c "$place/log"
"""

#: The tests whose blocks the named checks are, and the files of Lynis' that have them.
NAMED_TESTS = (
    "BOOT-5121 BOOT-5122 BOOT-5184 KRNL-5830 AUTH-9228 AUTH-9229 AUTH-9230 AUTH-9286 AUTH-9288 "
    "AUTH-9328 FILE-6368 USB-2000 USB-3000 PKGS-7370 PKGS-7388 SSH-7402 SSH-7404 SSH-7406 "
    "SSH-7408 SSH-7440 TIME-3104 KRNL-6000 HRDN-7220 HRDN-7222"
)
NAMED_GROUPS = (
    "boot_services kernel authentication filesystems usb ports_packages ssh time "
    "kernel_hardening hardening"
)


@pytest.fixture(scope="module")
def logs(lab: Lab, task: Task, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Each audited host's log; raises `LabError` when one could not be made."""
    place = tmp_path_factory.mktemp("lynis") if task.run is None else task.run / LOGS
    place.mkdir(parents=True, exist_ok=True)
    hosts = {
        name: entry.emulated
        for name, entry in lab.inventory.hosts.items()
        if not entry.emulated or task.maturity == "mature"
    }
    with ThreadPoolExecutor(len(hosts) or 1) as pool:
        found = pool.map(audit, map(lab.host, hosts), hosts.values(), repeat(place))
        return dict(zip(hosts, found, strict=True))


def audit(host: Host, emulated: bool, place: Path) -> str:
    """A host's log, kept in ``place`` too; an emulated one's is of the named tests only."""
    advice = "install lynis there (apt-get install lynis)"
    less = ["--tests-from-group", NAMED_GROUPS, "--tests", NAMED_TESTS] if emulated else []
    argv = ["sh", "-c", AUDIT, "audit", *less]
    done = host.run(argv, timeout=TIMEOUT_S, sudo=True).check(advice=advice)
    text = redactor.text(gzip.decompress(done.stdout).decode(errors="replace"))
    (place / f"{host.name}.log").write_text(text)
    return text


@pytest.mark.criterion("OS-22")
def test_what_incubation_asks_of_lynis_holds(
    logs: dict[str, str], task: Task, evidence: Evidence
) -> None:
    own = task.inventory.able("own-kernel")
    named = {
        name: tuple(
            line
            for line in security_rules().lynis["incubation"]
            if name in own or not is_of_the_kernel(line)
        )
        for name in logs
    }
    checked = judged(logs, named)
    evidence.attach("lynis.json", named)
    with evidence.judge("Lynis finds nothing in the checks that incubation names"):
        holds(checked)


@pytest.mark.criterion("OS-23")
def test_what_maturity_asks_of_lynis_holds(
    logs: dict[str, str], task: Task, evidence: Evidence
) -> None:
    own = [name for name in task.inventory.able("own-kernel") if name in logs]
    if not own:
        pytest.skip(
            "hosts with a kernel of their own have emulated processors, on which this takes "
            "minutes: ask for it by --maturity mature"
        )
    named = {
        name: tuple(
            line
            for line in security_rules().lynis["mature"]
            if "BOOT-5122" not in line or not lynis.without_boot_loader(logs[name])
        )
        for name in own
    }
    checked = judged(logs, named)
    evidence.attach("lynis.json", named)
    with evidence.judge("Lynis finds nothing in the checks that maturity names"):
        holds(checked)


def is_of_the_kernel(line: str) -> bool:
    """Whether a check is of what all hosts on one kernel share: a parameter, or the clock.

    The line of ntpdate is that of TIME-3104, which looks for whoever keeps the time.
    """
    return lynis.short_name(line).startswith(("kernel.", "fs.")) or "if-up.d/ntpdate" in line


def judged(logs: dict[str, str], named: dict[str, tuple[str, ...]]) -> dict[str, list[Check]]:
    """host → its checks; raises `LabError` for what is no whole log."""
    try:
        return {name: lynis.judge(logs[name], lines) for name, lines in named.items()}
    except Unacceptable as error:
        raise LabError("Lynis left no log that can be judged", found=str(error)) from None


def holds(checked: dict[str, list[Check]]) -> None:
    for name, checks in checked.items():
        for check in checks:
            assert not check.failure, f"{check.name} on {name}: {check.failure}"
