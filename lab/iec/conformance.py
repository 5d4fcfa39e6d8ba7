"""Kubernetes' conformance tests: a named subset run from here, and what others' runs left.

The subset is run by e2e.test of the cluster's own version, which `lab build --deep` makes. Reports
are read as sonobuoy (``plugins/e2e/results/global/junit_*.xml`` in its archive) and hydrophone
(``junit_*.xml`` in its output directory) leave them, both being the JUnit file of e2e.test.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from lab.errors import LabError
from lab.iec import binaries
from lab.iec.binaries.catalogue import BINARIES
from lab.iec.kubeconfig import Access

T = TypeVar("T")

PROGRAM = "e2e.test"
#: For the subset (s).
TIMEOUT_S = 400.0
#: What it has been given more than its own time-out, to leave its report (s).
_GRACE_S = 30.0
#: Bytes of a report at most.
_LONGEST = 64 << 20
_JUNIT = re.compile(r"(?:^|/)junit_\d+\.xml")
_SONOBUOY = re.compile(r"plugins/e2e/results/global/junit_\d+\.xml")


def run(specs: Sequence[str], access: Access, place: Path, *, version: str) -> bytes:
    """Run the tests of these names in the directory ``place``; returns the JUnit file.

    The cluster's key lies there meanwhile, for the account alone. ``version``: the cluster's,
    like v1.34.4. Raises `LabError` when it is not the tests', or when
    they leave no report; a test that fails is in the report.
    """
    ours = BINARIES[PROGRAM].version
    if version.lstrip("v").split(".")[:2] != ours.split(".")[:2]:
        raise LabError(
            "the conformance tests are of another version than the cluster",
            found=f"the cluster is {version}, the tests are v{ours}",
            expected="the same minor version",
            advice="run sonobuoy or hydrophone, and name the report: systems.iec.conformance",
        )
    if lacking := binaries.missing([PROGRAM]):
        raise LabError("there are no conformance tests", found=lacking)
    kubeconfig = place / "kubeconfig"
    _write_kubeconfig(access, kubeconfig)
    argv = [
        str(binaries.find([PROGRAM])[PROGRAM]),
        f"--kubeconfig={kubeconfig}",
        "--provider=skeleton",
        f"--ginkgo.focus={'|'.join(f'{re.escape(spec)}$' for spec in specs)}",
        "--ginkgo.no-color",
        f"--ginkgo.timeout={TIMEOUT_S:.0f}s",
        f"--report-dir={place}",
        "--dump-logs-on-failure=false",
    ]
    log = place / "e2e.log"
    for old in place.glob("junit_*.xml"):
        old.unlink()
    try:
        with log.open("wb") as out:
            subprocess.run(
                argv,
                env={**os.environ, "HOME": str(place)},
                cwd=place,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                timeout=TIMEOUT_S + _GRACE_S,
                check=False,
            )
    except subprocess.TimeoutExpired:
        raise LabError(
            "the conformance tests came to no end",
            found=f"{TIMEOUT_S + _GRACE_S:g} s",
            evidence=_tail(log),
        ) from None
    finally:
        kubeconfig.unlink()
    left = sorted(place.glob("junit_*.xml"))
    if len(left) != 1:
        raise LabError(
            "the conformance tests left no report",
            found=f"{len(left)} files junit_*.xml",
            evidence=_tail(log),
        )
    return left[0].read_bytes()


def _write_kubeconfig(access: Access, place: Path) -> None:
    def data(text: str | None) -> str | None:
        return None if text is None else base64.b64encode(text.encode()).decode()

    cluster = {
        "server": access.server,
        "certificate-authority-data": data(access.ca),
        "tls-server-name": access.name,
    }
    user = {
        "client-certificate-data": data(access.certificate),
        "client-key-data": data(access.key),
        "token": access.token,
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": _given(cluster)}],
        "users": [{"name": "suite", "user": _given(user)}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "suite"}}],
        "current-context": "lab",
    }
    place.touch(mode=0o600)
    place.write_text(json.dumps(document))


def _given(fields: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-4000:]


def read(report: Path) -> bytes:
    """The JUnit file of a whole run: a file, hydrophone's directory, or sonobuoy's archive.

    Raises `LabError` when there is none, or more than one.
    """
    try:
        if report.is_dir():
            found = {path.name: path for path in report.iterdir() if _JUNIT.search(path.name)}
            return _only(report, found).read_bytes()
        if report.suffix != ".xml":
            return _in_archive(report)
        return report.read_bytes()
    except (OSError, tarfile.TarError, EOFError) as error:
        raise LabError(
            "the report of a conformance run cannot be read",
            found=f"{report}: {error}",
            expected="sonobuoy's archive (.tar.gz), hydrophone's output directory, or a JUnit file",
            advice="correct systems.iec.conformance in the inventory",
        ) from None


def _in_archive(report: Path) -> bytes:
    with tarfile.open(report, "r:*") as tar:
        found = {
            member.name: member
            for member in tar
            if member.isfile() and member.size <= _LONGEST and _SONOBUOY.search(member.name)
        }
        stream = tar.extractfile(_only(report, found))
        assert stream is not None
        return stream.read(_LONGEST)


def _only(report: Path, found: dict[str, T]) -> T:
    if len(found) != 1:
        raise LabError(
            "the report of a conformance run is not as expected",
            found=f"{len(found)} JUnit files in {report}",
            expected="one: junit_01.xml of e2e.test",
        )
    return next(iter(found.values()))
