"""Recipes: how a system gets onto its hosts, as one list of steps.

The dry run prints the list that the real run executes. Steps are idempotent: a second
deploy finds its work done. Every step names its host and says what it does.
"""

from __future__ import annotations

import hashlib
import shlex
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import DeployFailed, LabError
from lab.wait import wait_for

if TYPE_CHECKING:
    from lab.session import Lab

#: Where a host keeps what travelled to it, by content: ``<STORE>/<sha256>``.
STORE = ".iec4/store"


@dataclass(frozen=True)
class Step(ABC):
    """One thing done on one host (a host's name in the inventory)."""

    title: str
    host: str

    @abstractmethod
    def execute(self, lab: Lab) -> str:
        """Do it; return "done", or "unchanged" when it was done before."""

    @abstractmethod
    def describe(self) -> str:
        """What a dry run prints: the command, the file, the condition."""


@dataclass(frozen=True)
class Command(Step):
    """Run ``argv``; skipped when ``unless`` succeeds, run by the same account. Times in seconds.

    ``stdin`` may be a function, called when the step is executed.
    """

    argv: Sequence[str]
    unless: Sequence[str] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes | Callable[[], bytes] | None = None
    timeout: float = 60.0
    sudo: bool = False

    def execute(self, lab: Lab) -> str:
        host = lab.host(self.host)
        if self.unless is not None and host.run(self.unless, sudo=self.sudo).ok:
            return "unchanged"
        stdin = self.stdin() if callable(self.stdin) else self.stdin
        host.run(self.argv, timeout=self.timeout, stdin=stdin, env=self.env, sudo=self.sudo).check()
        return "done"

    def describe(self) -> str:
        return ("sudo " if self.sudo else "") + shlex.join(self.argv)


_SAME = """
[ -f "$1" ] && [ "$(stat -c %a "$1")" = "$2" ] && [ "$(sha256sum <"$1")" = "$3  -" ]
"""
# $1: the path, $2: its mode. It is there whole, or as it was.
_PUT_AS_ROOT = """
mkdir -p "$(dirname "$1")"
umask 077
trap 'rm -f "$1.new"' EXIT
cat >"$1.new"
chmod "$2" "$1.new"
mv "$1.new" "$1"
"""


@dataclass(frozen=True)
class Write(Step):
    """Write a small file (configuration, a script), whole, unless it is there like that.

    ``content`` may be a function, called when the step is executed: for a secret, which a
    dry run has no need of. With ``sudo`` the file is root's, and so are directories made for it.
    """

    path: str
    content: bytes | Callable[[], bytes]
    mode: int = 0o644
    sudo: bool = False

    def execute(self, lab: Lab) -> str:
        content = self.content if isinstance(self.content, bytes) else self.content()
        host = lab.host(self.host)
        digest = hashlib.sha256(content).hexdigest()
        mode = f"{self.mode:o}"
        same = ["sh", "-c", _SAME, "sh", self.path, mode, digest]
        if host.run(same, sudo=self.sudo).ok:
            return "unchanged"
        if self.sudo:
            put = ["sh", "-euc", _PUT_AS_ROOT, "sh", self.path, mode]
            host.run(put, stdin=content, sudo=True).check()
        else:
            host.put(content, self.path, mode=self.mode)
        return "done"

    def describe(self) -> str:
        size = f"{len(self.content)} bytes, " if isinstance(self.content, bytes) else ""
        return f"{'sudo ' * self.sudo}write {self.path} ({size}mode {self.mode:o})"


@dataclass(frozen=True)
class Install(Step):
    """Bring a tar archive to the host's store once, and unpack it at ``directory``.

    The archive is built only when a host lacks it: ``archive()`` returns
    ``(local path, sha256 hex)``. ``directory`` is replaced whole when its content changes.
    """

    directory: str
    archive: Callable[[], tuple[Path, str]]

    def execute(self, lab: Lab) -> str:
        path, digest = self.archive()
        host = lab.host(self.host)
        marker = f"{self.directory}/.sha256"
        if host.run(["grep", "-qx", digest, marker]).ok:
            return "unchanged"
        stored = f"{STORE}/{digest}"
        if not host.run(["test", "-f", stored]).ok:
            host.put(path, stored)
        unpack = (
            'rm -rf "$2.new" && mkdir -p "$2.new" && tar -xf "$1" -C "$2.new" && '
            'echo "$3" >"$2.new/.sha256" && rm -rf "$2" && mv "$2.new" "$2"'
        )
        host.run(["sh", "-c", unpack, "sh", stored, self.directory, digest], timeout=120).check()
        return "done"

    def describe(self) -> str:
        return f"unpack into {self.directory}"


@dataclass(frozen=True)
class Await(Step):
    """Wait until ``probe(lab)`` is true: always a real request to the real thing."""

    probe: Callable[[Lab], object]
    timeout: float = 30.0

    def execute(self, lab: Lab) -> str:
        wait_for(self.title, lambda: self.probe(lab), timeout=self.timeout)
        return "done"

    def describe(self) -> str:
        return f"wait up to {self.timeout:g} s"


@dataclass(frozen=True)
class SideBySide(Step):
    """Lists of steps, all at the same time; each list in its order, on hosts of its own."""

    lists: Sequence[Sequence[Step]]

    def execute(self, lab: Lab) -> str:
        execute([self], lab)
        return "done"

    def describe(self) -> str:
        return "; ".join(step.title for step in in_order([self]))


class Recipe(ABC):
    """How one system gets onto its hosts in one kind of lab, and leaves them."""

    system: str

    @abstractmethod
    def steps(self, lab: Lab) -> list[Step]:
        """The steps of a deployment, in order."""

    @abstractmethod
    def removal(self, lab: Lab) -> list[Step]:
        """The steps that take it away again."""


@dataclass(frozen=True)
class StepDone:
    step: Step
    outcome: str
    duration_s: float


def in_order(steps: Iterable[Step]) -> list[Step]:
    """The single steps of a list, as a dry run tells them."""
    found: list[Step] = []
    for step in steps:
        lists = step.lists if isinstance(step, SideBySide) else ()
        found += [one for each in lists for one in in_order(each)] if lists else [step]
    return found


def execute(
    steps: Iterable[Step], lab: Lab, *, done: Callable[[StepDone], None] = lambda _: None
) -> None:
    """Run steps in order, reporting each; raises `DeployFailed` at the first that fails.

    ``done`` may be called by several threads at once.
    """
    for step in steps:
        if isinstance(step, SideBySide):
            _side_by_side(step, lab, done)
            continue
        started = time.monotonic()
        try:
            outcome = step.execute(lab)
        except LabError as error:
            raise DeployFailed(
                f"step {step.title!r} failed on {step.host}",
                found=str(error),
                advice=error.advice or "see the deployment's log; deploy again when it is mended",
                evidence=error.evidence,
            ) from error
        done(StepDone(step, outcome, time.monotonic() - started))


def _side_by_side(step: SideBySide, lab: Lab, done: Callable[[StepDone], None]) -> None:
    """Run all lists to their ends; raises what failed first in the order of the lists."""
    failures: dict[int, LabError] = {}

    def work(number: int, steps: Sequence[Step]) -> None:
        try:
            execute(steps, lab, done=done)
        except LabError as error:
            failures[number] = error

    workers = [
        threading.Thread(target=work, args=item, daemon=True) for item in enumerate(step.lists)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[min(failures)]
