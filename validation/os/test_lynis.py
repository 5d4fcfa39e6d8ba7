"""Lynis on every host, judged by the checks that Akraino names."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import pytest

from blueprints import lynis
from blueprints.errors import Unacceptable
from blueprints.evidence import Evidence
from blueprints.security import security_rules
from lab.errors import LabError
from lab.host.base import Host
from lab.secrets import redactor
from lab.session import Lab
from lab.task import Task

#: An audit takes 40 s where two cores are shared by three hosts.
TIMEOUT_S = 300.0
pytestmark = pytest.mark.timeout(TIMEOUT_S + 60)

#: Where the gate looks for the logs in a run directory.
LOGS = Path("bluval/os/lynis")

#: In a directory of its own: the tests left out are no named ones; the first asks the
#: distribution's servers, which no closed lab reaches, the second reads every certificate.
AUDIT = """
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
printf 'skip-test=%s\\n' PKGS-7392 CRYP-7902 >"$place/profile"
lynis audit system --quick --quiet --no-colors --profile "$place/profile" \
    --logfile "$place/log" --report-file "$place/report" >"$place/output" 2>&1 </dev/null ||
    { cat "$place/output" >&2; exit 1; }
gzip -c "$place/log"
"""


@pytest.fixture(scope="module")
def logs(lab: Lab, task: Task, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Each host's log of an audit; raises `LabError` when one could not be made."""
    place = tmp_path_factory.mktemp("lynis") if task.run is None else task.run / LOGS
    place.mkdir(parents=True, exist_ok=True)
    hosts = [lab.host(name) for name in lab.inventory.hosts]
    with ThreadPoolExecutor(len(hosts)) as pool:
        found = pool.map(audit, hosts, repeat(place))
        return dict(zip(lab.inventory.hosts, found, strict=True))


def audit(host: Host, place: Path) -> str:
    advice = "install lynis there (apt-get install lynis)"
    done = host.run(["sh", "-c", AUDIT], timeout=TIMEOUT_S, sudo=True).check(advice=advice)
    text = redactor.text(gzip.decompress(done.stdout).decode(errors="replace"))
    (place / f"{host.name}.log").write_text(text)
    return text


@pytest.mark.criterion("OS-22")
def test_what_incubation_asks_of_lynis_holds(
    logs: dict[str, str], task: Task, evidence: Evidence
) -> None:
    named = security_rules().lynis["incubation"]
    if "own-kernel" not in task.inventory.capabilities:
        named = tuple(line for line in named if not is_of_the_kernel(line))
    checked = judged(logs, named)
    evidence.attach("lynis.json", {"checks": named, "hosts": sorted(logs)})
    with evidence.judge("Lynis finds nothing in the checks that incubation names"):
        for name, checks in checked.items():
            for check in checks:
                assert not check.failure, f"{check.name} on {name}: {check.failure}"


@pytest.mark.criterion("OS-23")
def test_what_maturity_asks_of_lynis_holds(logs: dict[str, str], evidence: Evidence) -> None:
    checked = judged(logs, security_rules().lynis["mature"])
    with evidence.judge("Lynis finds nothing in the checks that maturity names"):
        for name, checks in checked.items():
            for check in checks:
                assert not check.failure, f"{check.name} on {name}: {check.failure}"


def is_of_the_kernel(line: str) -> bool:
    """Whether a check is of a parameter that all hosts on one kernel share."""
    return lynis.short_name(line).startswith(("kernel.", "fs."))


def judged(logs: dict[str, str], named: tuple[str, ...]) -> dict[str, list[lynis.Check]]:
    """host → its checks; raises `LabError` for what is no whole log."""
    try:
        return {name: lynis.judge(log, named) for name, log in logs.items()}
    except Unacceptable as error:
        raise LabError("Lynis left no log that can be judged", found=str(error)) from None
