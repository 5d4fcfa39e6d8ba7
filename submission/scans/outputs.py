"""The outputs of BluVal's mandatory tests in a run directory, each judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from blueprints import conformance, kube_hunter, lynis, vuls
from blueprints.checks import Check
from blueprints.errors import Unacceptable
from blueprints.model import Maturity
from blueprints.release_rules import ReleaseRules
from blueprints.security import SecurityRules
from submission.untrusted import read_bytes

#: Where they lie in a run directory: ``bluval/<layer>/<test>/``.
DIRECTORY = "bluval"
#: Files beside them that Robot writes, when a test was run by it.
_ROBOT_FILES = {"output.xml", "log.html", "report.html", "debug.log"}

Judge = Callable[[bytes], list[Check]]


@dataclass(frozen=True)
class Output:
    """One file that a test left. ``problem`` says why it could not be judged, if so."""

    test: str
    file: Path
    checks: tuple[Check, ...] = ()
    problem: str = ""

    @property
    def failures(self) -> tuple[Check, ...]:
        return tuple(c for c in self.checks if c.failure and not c.excepted)


def lies_in(file: Path, directory: Path) -> bool:
    """Whether ``file`` lies below ``directory``, whatever links lead to it: what is not of a
    run must not be sent as its evidence."""
    return file.resolve().is_relative_to(directory.resolve())


def judges(
    release: ReleaseRules, security: SecurityRules, maturity: Maturity
) -> dict[str, tuple[set[str], Judge]]:
    """``layer/test`` → the endings of its files, and how one of them is judged."""
    return {
        "os/lynis": (
            {".log"},
            lambda data: lynis.judge(data.decode(errors="replace"), security.lynis[maturity]),
        ),
        "os/vuls": (
            {".json", ".log", ".txt"},
            lambda data: vuls.judge(data, security.vuls, release.vuls_score),
        ),
        "k8s/conformance": ({".xml"}, conformance.judge),
        "k8s/kube-hunter": (
            {".json", ".log", ".txt"},
            lambda data: kube_hunter.judge(data, security.kube_hunter),
        ),
    }


def read_outputs(
    run: Path, test: str, suffixes: set[str], judge: Judge, *, below: str = DIRECTORY
) -> tuple[Output, ...]:
    """The outputs of ``test`` in a run directory, by name; empty where it was not run.

    ``below``: the directory of ``run`` that has ``<layer>/<test>/``.
    """
    found = []
    directory = run / below / test
    for file in sorted(directory.iterdir()) if directory.is_dir() else ():
        if file.name in _ROBOT_FILES or file.suffix not in suffixes or not file.is_file():
            continue
        if not lies_in(file, run):
            found.append(Output(test, file, problem="it is a link that leads out of the run"))
            continue
        try:
            found.append(Output(test, file, tuple(judge(read_bytes(file)))))
        except Unacceptable as error:
            found.append(Output(test, file, problem=str(error)))
    return tuple(found)
