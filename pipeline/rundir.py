"""The run directory: the only thing that stages share."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from blueprints.errors import ConfigError
from blueprints.model import Blueprint, Criterion, Maturity
from lab.errors import LabError, WaitTimeout
from lab.wait import wait_for

SCHEMA = 1
#: What a file system says that takes nothing more.
_TAKES_NOTHING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)
#: What a process that was killed may leave unfinished, below a run directory.
_UNFINISHED = ("run.json.*.tmp", ".*", "allure-results/*.tmp")


#: When this process began, by both clocks.
_BEGAN, _BEGAN_MONOTONIC = datetime.now(UTC), time.monotonic()


def now() -> str:
    """The time, UTC, to the millisecond, as it stands in run.json.

    A clock that is set while this process runs does not move it: what is between two moments
    is what was between them.
    """
    moment = _BEGAN + timedelta(seconds=time.monotonic() - _BEGAN_MONOTONIC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class StageState:
    """One stage's state: running, done, failed, skipped or interrupted."""

    name: str
    state: str
    started: str
    ended: str | None = None
    message: str | None = None


@dataclass
class RunState:
    """What ``run.json`` holds: what was asked, what was found, each stage's state."""

    id: str
    blueprint: str
    lab: str
    profile: str
    maturity: Maturity
    started: str
    asked: dict[str, Any]
    planned: list[dict[str, Any]]
    versions: dict[str, str] = field(default_factory=dict)
    stages: list[StageState] = field(default_factory=list)
    #: The inventory file of a lab that was there before; its secrets are redacted again.
    inventory: str | None = None
    #: system → why its deployment failed; criteria that stand on it are blocked
    blocked: dict[str, str] = field(default_factory=dict)
    ended: str | None = None
    interrupted: bool = False
    #: When the reports of all this had been written, None until then.
    reported: str | None = None
    schema: int = SCHEMA


class NotWritten(LabError):
    """The run directory could not be written: the disk is full, or may only be read."""


class RunDirectory:
    """A run directory on disk; every change of its state is written at once, whole."""

    def __init__(self, path: Path, state: RunState) -> None:
        self.path = path
        self.state = state

    @classmethod
    def create(
        cls,
        path: Path | None,
        *,
        blueprint: Blueprint,
        lab: str,
        profile: str,
        maturity: Maturity,
        planned: list[Criterion],
        asked: dict[str, Any],
        inventory: Path | None = None,
        results: Path = Path("results"),
    ) -> RunDirectory:
        """Make a new run directory, ``results/<UTC time>-<blueprint>`` unless ``path`` is given."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        place = path or results / f"{stamp}-{blueprint.name}"
        number = 1
        while path is None and place.exists():  # two runs within one second
            number += 1
            place = results / f"{stamp}-{blueprint.name}-{number}"
        place = place.absolute()
        try:
            place.mkdir(parents=True, exist_ok=path is not None)
            occupied = any(place.iterdir())
        except OSError as error:
            raise ConfigError(
                f"{place} cannot be made or read: {error.strerror}; give another place to --run"
            ) from None
        if occupied:
            raise ConfigError(
                f"{place} is not empty and has no run.json; give a new directory to --run"
            )
        state = RunState(
            id=place.name,
            blueprint=blueprint.name,
            lab=lab,
            profile=profile,
            maturity=maturity,
            started=now(),
            asked=asked,
            inventory=None if inventory is None else str(inventory),
            planned=[
                {
                    "id": c.id,
                    "layer": c.layer,
                    "title": c.title,
                    "requirement": c.requirement,
                    "mandatory": c.mandatory(maturity),
                }
                for c in planned
            ],
            versions={f"{name} (pinned)": pin.version for name, pin in blueprint.pins.items()},
        )
        run = cls(place, state)
        with run._writing():
            run.logs.mkdir()
            run.allure_results.mkdir()
        run.save()
        return run

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """Open an existing one; raises `ConfigError` when it is none, or of another schema."""
        file = path / "run.json"
        try:
            data = json.loads(file.read_text())
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(
                f"{path} is no run directory: run.json cannot be read ({error})"
            ) from None
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            found = data.get("schema") if isinstance(data, dict) else data
            raise ConfigError(f"{file} has schema {found!r}, this version reads {SCHEMA}")
        try:
            state = TypeAdapter(RunState).validate_python(data)
        except ValidationError as error:
            first = error.errors()[0]
            at = ".".join(map(str, first["loc"]))
            raise ConfigError(f"{file} is damaged: {at}: {first['msg'].lower()}") from None
        return cls(path.absolute(), state)

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def allure_results(self) -> Path:
        return self.path / "allure-results"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @contextmanager
    def held(self, *, patience_s: float = 0) -> Iterator[None]:
        """Have it alone until the end of the context, or of this process.

        Its state is as whoever had it before left it. Raises `ConfigError` while another
        process has it, after ``patience_s`` seconds.
        """
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._lock(descriptor, patience_s)
            self.state = RunDirectory.open(self.path).state
            yield
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int, patience_s: float) -> None:
        try:
            wait_for("a lock", partial(_locked, descriptor), timeout=patience_s)
        except WaitTimeout:
            raise ConfigError(
                f"{self.path}: another ./iec4 works on this run; wait for its end"
            ) from None

    def sweep(self) -> None:
        """Remove what a killed process left unfinished. Only for whoever has it alone."""
        for pattern in _UNFINISHED:
            for left in self.path.glob(pattern):
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink(missing_ok=True)

    def save(self) -> None:
        """Write the state; raises `NotWritten`, with what was there before still in place."""
        unfinished = self.path / f"run.json.{os.getpid()}.tmp"
        try:
            with self._writing():
                unfinished.write_text(json.dumps(asdict(self.state), indent=2) + "\n")
                unfinished.replace(self.path / "run.json")
        except NotWritten:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _TAKES_NOTHING:
                raise
            raise NotWritten(
                f"the run directory {self.path} cannot be written",
                found=f"{error.strerror}: {error.filename or 'a file of it'}",
                advice=f"mend that (df {self.path}), then ./iec4 run --resume {self.path}",
            ) from error

    @contextmanager
    def stage(self, name: str) -> Iterator[StageState]:
        """Record a stage; a `LabError` marks it failed, and goes on to the caller.

        So does a disk that is full, or takes nothing for another reason, as `NotWritten`.
        """
        stage = StageState(name, "running", now())
        self.state.stages = [s for s in self.state.stages if s.name != name] + [stage]
        self.save()
        try:
            with self._writing():
                yield stage
            stage.state = "done" if stage.state == "running" else stage.state
        except LabError as error:
            stage.state, stage.message = "failed", str(error)
            raise
        except BaseException as error:
            stage.state = "interrupted"
            stage.message = type(error).__name__
            raise
        finally:
            stage.ended = now()
            self.save()


def _locked(descriptor: int) -> bool:
    """Whether it is locked for us, or the file system (a network's, say) has no locks at all."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
