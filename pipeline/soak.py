"""``soak``: the same run again and again, on labs made anew; no verdict may change.

Each run has a lab of its own (other addresses, other ports), and an order of its own. What differs
from run to run without anything having changed is a flake: it is told with the evidence of both
outcomes. Of runs that add nothing new only the figures are kept.
"""

from __future__ import annotations

import json
import math
import os
import random
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from blueprints import model, sets
from blueprints.errors import ConfigError
from blueprints.model import Maturity
from lab.wait import wait_for
from pipeline import keeper
from pipeline.children import Child
from pipeline.progress import Progress
from pipeline.soak_outcomes import RunSeen, Tally, document, table
from pipeline.story import Request
from reports.exit_codes import ExitCode
from reports.files import write_whole
from reports.results import read_results

#: A run that has not ended after so many seconds is ended; it counts as one without verdicts.
RUN_TIMEOUT_S = 1800
#: Seconds that an interrupted run has to take its lab down.
GRACE_S = 20
#: The share of every core that is stolen.
STOLEN = 0.5
#: The document beside the runs that are kept.
DOCUMENT = "soak.json"


@dataclass(frozen=True)
class Question:
    """What a person asks: ``runs`` runs, ``together`` at once; ``seed`` for the orders."""

    runs: int
    chosen_set: str = sets.FULL
    only: tuple[str, ...] = ()
    blueprint: str = model.DEFAULT
    maturity: Maturity = "incubation"
    together: int = 1
    steal_cpu: bool = False
    seed: int | None = None

    @property
    def options(self) -> list[str]:
        """The options of ``run`` that say the same."""
        only = ["--only", ",".join(self.only)] if self.only else []
        maturity = ["--maturity", self.maturity] if self.maturity != "incubation" else []
        blueprint = ["--blueprint", self.blueprint] if self.blueprint != model.DEFAULT else []
        return ["--set", self.chosen_set, *only, *maturity, *blueprint]


def soak(question: Question, *, quiet: bool, as_json: bool) -> int:
    """Do the runs and print what came of them; exit code 0 when all ended well and alike."""
    request = Request(chosen_set=question.chosen_set, only=question.only)
    request.select(model.load(question.blueprint))  # wrong names are told before any run
    place = _place(question)
    progress = Progress.for_terminal(quiet=quiet)
    soaking = _Soak(question, place, progress)
    interrupted = False
    try:
        soaking.work()
    except KeyboardInterrupt:
        interrupted = True
    finally:
        soaking.end()
        progress.close()
    tally = soaking.tally
    told = json.dumps({**document(tally, question.runs), "interrupted": interrupted}, indent=2)
    if tally.runs:
        write_whole(place / DOCUMENT, f"{told}\n".encode())
    else:
        shutil.rmtree(place, ignore_errors=True)
    command = ["./iec4", "run", *question.options]
    print(told if as_json else table(tally, question.runs, command))
    return ExitCode.INTERRUPTED if interrupted else tally.exit_code()


def _place(question: Question) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    place = Path("results") / f"{stamp}-soak-{question.chosen_set}"
    try:
        place.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(f"{place} cannot be made: {error.strerror}; work elsewhere") from None
    return place.absolute()


@dataclass(frozen=True)
class _Running:
    number: int
    shuffle: int
    directory: Path
    child: Child
    began: float

    @property
    def overdue(self) -> bool:
        return time.monotonic() - self.began > RUN_TIMEOUT_S


class _Soak:
    """The runs that are to come, those that run, and what came of the others."""

    def __init__(self, question: Question, place: Path, progress: Progress) -> None:
        self._question = question
        self._place = place
        self._progress = progress
        self._at_work = place / "at-work"
        self._running: list[_Running] = []
        self._seed = secrets.randbelow(2**31) if question.seed is None else question.seed
        self._orders = random.Random(self._seed)  # noqa: S311
        self.tally = Tally()

    def work(self) -> None:
        """Do all runs."""
        question = self._question
        self._progress.stage(f"soak: {question.runs} runs, seed {self._seed}", question.runs)
        waves = math.ceil(question.runs / question.together)
        with self._thieves(waves * RUN_TIMEOUT_S):
            for number in range(1, question.runs + 1):
                if len(self._running) == question.together:
                    self._settle(self._first_to_end())
                self._running.append(self._start(number))
            while self._running:
                self._settle(self._first_to_end())

    def end(self) -> None:
        """End what still runs, and leave no part of it."""
        for running in self._running:
            running.child.end(GRACE_S)
        shutil.rmtree(self._at_work, ignore_errors=True)

    def _start(self, number: int) -> _Running:
        shuffle = self._orders.randrange(2**31)
        directory = self._at_work / f"run-{number:03}"
        self._at_work.mkdir(exist_ok=True)
        argv = [sys.executable, "-P", "-m", "pipeline", "run", *self._question.options]
        argv += ["--shuffle", str(shuffle), "--run", str(directory)]
        child = Child(
            directory.name,
            argv,
            log=self._at_work / f"{directory.name}.log",
            env=os.environ,
            cwd=Path.cwd(),
        )
        return _Running(number, shuffle, directory, child, time.monotonic())

    def _first_to_end(self) -> _Running:
        def ended() -> _Running | None:
            return next((r for r in self._running if not r.child.running or r.overdue), None)

        done = wait_for("the end of a run", ended, timeout=RUN_TIMEOUT_S + GRACE_S)
        self._running.remove(done)
        return done

    def _settle(self, running: _Running) -> None:
        overdue = running.child.running
        running.child.end(GRACE_S)
        seen = _seen(running, overdue=overdue)
        kept = self._place / running.directory.name
        if self.tally.add(seen, kept):
            self._keep(running, kept)
        shutil.rmtree(running.directory, ignore_errors=True)
        counts = ", ".join(f"{n} {state}" for state, n in seen.counts.items() if n)
        text = f"run {running.number}: exit code {seen.code}, {seen.seconds:.1f} s: {counts}"
        self._progress.step(f"{text} {seen.says}".rstrip())

    def _keep(self, running: _Running, kept: Path) -> None:
        kept.mkdir()
        log = self._at_work / f"{kept.name}.log"
        if running.directory.is_dir():
            running.directory.replace(kept)
        if log.exists():
            log.replace(kept / "run.log")

    @contextmanager
    def _thieves(self, seconds: float) -> Iterator[None]:
        """Whoever steals processor time meanwhile: one for every core."""
        with ExitStack() as stack:
            for core in range(len(os.sched_getaffinity(0)) if self._question.steal_cpu else 0):
                argv = [sys.executable, "-S", "-m", "pipeline.soak_thief"]
                argv += [str(STOLEN), str(self._seed + core), str(seconds)]
                thief = Child(
                    f"thief-{core}",
                    argv,
                    log=self._place / f"thief-{core}.log",
                    env=os.environ,
                    cwd=keeper.ROOT,
                )
                stack.callback(thief.end, 0)
            yield


def _seen(running: _Running, *, overdue: bool) -> RunSeen:
    """A run that has ended, as its run directory tells it."""
    seconds = time.monotonic() - running.began
    code = None if overdue else running.child.status
    name = running.directory.name
    says = f"no end after {RUN_TIMEOUT_S} s" if overdue else ""
    try:
        criteria = read_results(running.directory).criteria
    except ConfigError as error:
        criteria, says = (), says or str(error)
    return RunSeen(running.number, name, running.shuffle, seconds, code, criteria, says)
