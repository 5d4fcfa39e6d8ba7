"""Evidence, as every runner writes it: the judged step, measurements, attachments, verdicts.

Arranging and judging are separate. Whatever goes wrong while arranging is an ERROR: the
criterion could not be judged. Any outcome of the judged step other than its success is a
FAIL, a time-out or a refused connection included. The three runners (pytest, Robot,
Locust) mark that step with `Evidence.judge`, and nothing else decides between the two.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from blueprints.model import Criterion, Limit


class Verdict(StrEnum):
    PASS = "PASS"  # noqa: S105
    FAIL = "FAIL"
    ERROR = "ERROR"
    SKIP = "SKIP"


#: Verdict → Allure status. Robot knows only passed, failed and skipped: an ERROR is a
#: failed test there, and its message begins with "ERROR".
ALLURE_STATUS = {
    Verdict.PASS: "passed",
    Verdict.FAIL: "failed",
    Verdict.ERROR: "broken",
    Verdict.SKIP: "skipped",
}


class CriterionFailed(AssertionError):
    """The judged thing is not as it must be."""


class WindowSpoilt(Exception):
    """The load generator, not the judged system, limited a measurement; it says nothing."""


@dataclass(frozen=True)
class Measurement:
    """A figure that was measured. ``threshold`` is the profile's limit as text, None if free."""

    name: str
    value: float
    unit: str
    threshold: str | None = None
    met: bool | None = None
    samples: int | None = None
    window_valid: bool = True


@dataclass(frozen=True)
class Attachment:
    name: str
    body: bytes
    media_type: str


class Evidence:
    """What one runner finds out about one criterion."""

    #: What ends a judged step without saying anything about the criterion. A runner adds
    #: the exceptions by which it passes on an interruption.
    interruptions: ClassVar[tuple[type[BaseException], ...]] = (
        KeyboardInterrupt,
        SystemExit,
        GeneratorExit,
        WindowSpoilt,
    )

    def __init__(self, criterion: Criterion, profile: str) -> None:
        self.criterion = criterion
        self.profile = profile
        self.measurements: list[Measurement] = []
        self.attachments: list[Attachment] = []
        self.judged = False
        self.failure: str | None = None
        #: Durations are no matter of what the clock on the wall is set to meanwhile.
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since it was begun."""
        return time.monotonic() - self._begun

    @contextmanager
    def judge(self, what: str) -> Iterator[None]:
        """Mark the judged step; ``what`` says, as a statement, what must be so.

        Whatever is raised inside becomes `CriterionFailed` with ``what`` and the reason,
        except an interruption by a person and a spoilt measurement window.
        """
        self.judged = True
        try:
            yield
        except self.interruptions:
            raise
        except BaseException as error:  # a test framework's own failures are no Exception
            evidence = getattr(error, "evidence", None)
            if evidence:
                self.attach("evidence.txt", evidence)
            self.failure = f"{what}: {one_line(error)}"
            raise CriterionFailed(self.failure) from error

    def measure(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        samples: int | None = None,
        window_valid: bool = True,
    ) -> Measurement:
        """Record a figure. Where the profile has a limit for it, compare (see `check`).

        Raises ValueError when the unit is not the limit's: figures are never converted.
        """
        limit = self.criterion.limit(name, self.profile)
        if limit is not None and limit.unit != unit:
            raise ValueError(f"{name} is measured in {unit}, its limit stands in {limit.unit}")
        measurement = Measurement(
            name=name,
            value=value,
            unit=unit,
            threshold=None if limit is None else str(limit),
            met=None if limit is None else limit.met_by(value),
            samples=samples,
            window_valid=window_valid,
        )
        self.measurements.append(measurement)
        return measurement

    def check(self, *measurements: Measurement) -> None:
        """Raise (to be used inside `judge`) for the measurements that miss their limits."""
        if any(not measurement.window_valid for measurement in measurements):
            raise WindowSpoilt("the load generator was the limit, not the judged system")
        missed = [m for m in measurements if m.met is False]
        if missed:
            raise AssertionError(
                ", ".join(
                    f"{m.name} is {m.value:.10g} {m.unit}, must be {m.threshold}" for m in missed
                )
            )

    def attach(self, name: str, body: bytes | str | dict[str, Any] | list[Any]) -> None:
        """Keep raw evidence; dictionaries and lists become JSON, the name's ending its type."""
        if isinstance(body, dict | list):
            body = json.dumps(body, indent=2, default=str)
        data = body.encode() if isinstance(body, str) else body
        self.attachments.append(Attachment(name, data, media_type(name)))

    def limit(self, metric: str) -> Limit | None:
        return self.criterion.limit(metric, self.profile)


_MEDIA_TYPES = {
    ".json": "application/json",
    ".txt": "text/plain",
    ".log": "text/plain",
    ".xml": "application/xml",
    ".html": "text/html",
    ".png": "image/png",
    ".csv": "text/csv",
}


def media_type(name: str) -> str:
    """An attachment's media type by its name's ending."""
    return _MEDIA_TYPES.get(Path(name).suffix, "application/octet-stream")


def one_line(error: BaseException) -> str:
    """An exception's first line, or its type's name.

    pytest explains an assertion in further lines; they stay in the trace.
    """
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


@dataclass(frozen=True)
class Outcome:
    """A criterion's verdict with its reason (one line; empty for PASS) and duration."""

    evidence: Evidence
    verdict: Verdict
    reason: str
    seconds: float


class Recorder:
    """Turns what a runner saw into verdicts, and tells the run's event log about each.

    ``events``: the run's ``events.jsonl``; lines are appended whole, so several processes
    may write to it. None when a runner is used by itself.
    """

    def __init__(self, profile: str, events: Path | None = None) -> None:
        self._profile = profile
        self._events = events
        self.outcomes: dict[str, Outcome] = {}
        self.current: Evidence | None = None

    def start(self, criterion: Criterion) -> Evidence:
        self.current = Evidence(criterion, self._profile)
        self.event(kind="start", criterion=criterion.id, title=criterion.title)
        return self.current

    def end(self, evidence: Evidence, *, status: str, message: str = "") -> Outcome:
        """Settle a criterion. ``status`` is the runner's: passed, failed or skipped."""
        if status == "skipped":
            verdict, reason = Verdict.SKIP, message
        elif evidence.failure is not None:
            verdict, reason = Verdict.FAIL, evidence.failure
        elif status != "passed":
            verdict, reason = Verdict.ERROR, message or "ended without a message"
        elif not evidence.judged:
            verdict, reason = Verdict.ERROR, "the test ended without judging anything"
        else:
            verdict, reason = Verdict.PASS, ""
        outcome = Outcome(evidence, verdict, " ".join(reason.split()), evidence.seconds)
        self.outcomes[evidence.criterion.id] = outcome
        self.event(
            kind="end",
            criterion=evidence.criterion.id,
            title=evidence.criterion.title,
            verdict=verdict.value,
            reason=outcome.reason,
            seconds=round(outcome.seconds, 3),
        )
        return outcome

    def event(self, **fields: object) -> None:
        """Append one line to the run's event log."""
        if self._events is not None:
            line = json.dumps({"t": time.time(), **fields}) + "\n"
            with self._events.open("a") as log:
                log.write(line)


def measurements_json(evidence: Evidence) -> bytes:
    """``measurements.json`` as it is attached to a result."""
    return json.dumps([asdict(m) for m in evidence.measurements], indent=2).encode()
