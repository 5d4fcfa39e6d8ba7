"""A load run as data: what was asked for, what came of it, and whether it can be believed.

Engines (`Engine`) turn a `LoadPlan` into a `LoadResult`. This one vocabulary serves them all:
Locust users, and engines for more calls than one process of Locust can make.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any, Literal, Protocol

from pydantic import TypeAdapter, ValidationError

from perf.histogram import Histogram
from perf.media_figures import MediaFigures

#: A load generator that uses more of its own core than this measures itself.
MAX_CPU_PERCENT = 70.0


@dataclass(frozen=True)
class LoadPlan:
    """How hard to press, and for how long.

    ``users`` act beside each other. With ``interval_s`` each is to act every so many seconds,
    whatever the answers take (an open loop); None: again when it was answered (a closed loop)
    and has thought for ``think_s`` seconds, if it is a user and no engine. ``arrival``: users
    take turns within the interval ("spread") or act all at the same moment ("burst"). Measured
    is a window of ``window_s`` seconds that opens ``warm_up_s`` after all users are there.
    ``timeout_s`` bounds each action. ``max_oversleep_us``: how late the generator itself may
    wake (99th percentile) before its figures mean nothing.
    ``window`` is how many actions a user has under way in a closed loop; engines whose users
    wait for each answer have one. ``no_delay``: whether the engines' own connections have
    TCP_NODELAY on; that of users is their client's. ``ramp_s``: the users come evenly over so
    many seconds instead of all at once. ``profile``: the use case that they play where a load
    has several, or some of them, by comma, which they play beside each other; ``browsers``
    of those who observe it are Chromium.
    """

    users: int
    window_s: float
    warm_up_s: float = 1.0
    interval_s: float | None = None
    think_s: float = 0.0
    arrival: Literal["spread", "burst"] = "spread"
    timeout_s: float = 3.0
    max_oversleep_us: float = 10_000.0
    window: int = 1
    no_delay: bool = True
    ramp_s: float = 0.0
    profile: str = ""
    browsers: int = 0

    @property
    def offered_rate(self) -> float | None:
        """Actions per second that the plan asks for; None in a closed loop."""
        return None if self.interval_s is None else self.users / self.interval_s


@dataclass(frozen=True)
class Conditions:
    """What figures depend on, so that others can reproduce them.

    ``cores`` are those that the generator may use; ``body_bytes`` is the payload of one
    action, ``connections`` how many it kept open. ``versions`` are the generator's parts.
    ``no_delay``: whether the generator had TCP_NODELAY on; ``requests_per_write`` and
    ``replies_per_read`` are its batching, means. None: that engine does not say.
    """

    cores: int
    machine: str
    body_bytes: int
    connections: int
    versions: dict[str, str] = field(default_factory=dict)
    no_delay: bool | None = None
    requests_per_write: float | None = None
    replies_per_read: float | None = None

    @classmethod
    def here(
        cls, distributions: Iterable[str], *, body_bytes: int, connections: int, **more: Any
    ) -> Conditions:
        """Those of this process, whose parts are Python and the installed ``distributions``."""
        return cls(
            cores=len(os.sched_getaffinity(0)),
            machine=platform.machine(),
            body_bytes=body_bytes,
            connections=connections,
            versions={
                "python": platform.python_version(),
                **{n: version(n) for n in distributions},
            },
            **more,
        )


@dataclass(frozen=True)
class GeneratorHealth:
    """What the generator did to itself in the window.

    ``cpu_percent`` is the processor time of its process, in percent of one core; it runs on
    one thread. Where it waits by looking again and again, that is not counted.
    ``oversleep_p99_us`` and ``oversleep_max_us`` say how late it woke, as does
    ``oversleep_p999_us`` (99.9th percentile) where the engine looks often enough for it.
    """

    cpu_percent: float
    oversleep_p99_us: float
    oversleep_max_us: float
    oversleep_p999_us: float | None = None


@dataclass(frozen=True)
class Second:
    """One second of a window: what ended in it, and how quickly what succeeded was answered.

    The latencies are in microseconds, None where nothing succeeded.
    """

    succeeded: int
    failed: int
    p50_us: float | None
    p99_us: float | None


@dataclass(frozen=True)
class LoadResult:
    """What happened to the actions that began within the window.

    ``latencies`` holds those that succeeded, from the moment when the action was due, or
    began where nothing but the generator held it up (see `perf.pace`). ``failures`` counts
    the others by reason; an action that was still unanswered at the end is one of them.
    ``succeeded_in_window`` are successes that were complete before the window closed.
    ``returns`` counts the answers by iRet, good and bad; empty where there is none.
    ``media`` is what the users of a classroom had of it, ``use_cases`` the same by profile;
    ``doubts`` are what the generator has found that speaks against its own figures.
    """

    plan: LoadPlan
    conditions: Conditions
    window_s: float
    latencies: Histogram
    succeeded_in_window: int
    failures: dict[str, int]
    generator: GeneratorHealth
    #: The window second by second, whole seconds only.
    series: tuple[Second, ...] = ()
    returns: dict[int, int] = field(default_factory=dict)
    media: MediaFigures | None = None
    use_cases: dict[str, MediaFigures] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()

    @property
    def succeeded(self) -> int:
        return self.latencies.count

    @property
    def failed(self) -> int:
        return sum(self.failures.values())

    @property
    def began(self) -> int:
        return self.succeeded + self.failed

    @property
    def failure_percent(self) -> float:
        """Failed actions in percent of those that began; raises ValueError when none did."""
        if self.began == 0:
            raise ValueError("nothing began within the window")
        return 100 * self.failed / self.began

    @property
    def rate(self) -> float:
        """TPS: successes that were complete within the window, per second of the window."""
        return self.succeeded_in_window / self.window_s

    @property
    def spoilt_by(self) -> tuple[str, ...]:
        """Why these figures describe the generator rather than the system; empty if valid."""
        found = [*self.doubts]
        health = self.generator
        if health.cpu_percent > MAX_CPU_PERCENT:
            found.append(
                f"the load generator used {health.cpu_percent:.0f} % of its core, "
                f"may use {MAX_CPU_PERCENT:.0f} %"
            )
        if health.oversleep_p99_us > self.plan.max_oversleep_us:
            found.append(
                f"the load generator woke up to {health.oversleep_p99_us:.0f} us late (p99), "
                f"may be {self.plan.max_oversleep_us:.0f} us late"
            )
        return tuple(found)

    @property
    def window_valid(self) -> bool:
        return not self.spoilt_by

    def summary(self) -> str:
        """One line for people."""
        if self.media is not None:
            return f"{self.media.summary()}, {self.failed} of {self.began} failed"
        figures = f"{self.rate:.0f}/s, {self.failed} of {self.began} failed"
        if self.succeeded:
            p50, p99 = self.latencies.percentile(50), self.latencies.percentile(99)
            figures += f", p50 {p50:.0f} us, p99 {p99:.0f} us"
        return f"{self.plan.users} users: {figures}, generator {self.generator.cpu_percent:.0f} %"

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads, with derived figures for whoever reads the file itself."""
        return {
            "plan": asdict(self.plan),
            "conditions": asdict(self.conditions),
            "window_s": self.window_s,
            "rate_per_s": self.rate,
            "offered_rate_per_s": self.plan.offered_rate,
            "succeeded": self.succeeded,
            "succeeded_in_window": self.succeeded_in_window,
            "failures": self.failures,
            "generator": asdict(self.generator),
            "window_valid": self.window_valid,
            "spoilt_by": list(self.spoilt_by),
            "returns": {str(ret): count for ret, count in self.returns.items()},
            "series": [asdict(second) for second in self.series],
            "latencies": self.latencies.to_json(),
            "media": None if self.media is None else self.media.to_json(),
            "use_cases": {name: media.to_json() for name, media in self.use_cases.items()},
            "doubts": list(self.doubts),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> LoadResult:
        """Read what `to_json` gave; raises ValueError for anything else."""
        try:
            return cls(
                plan=_PLAN.validate_python(data["plan"]),
                conditions=_CONDITIONS.validate_python(data["conditions"]),
                window_s=float(data["window_s"]),
                latencies=Histogram.from_json(data["latencies"]),
                succeeded_in_window=int(data["succeeded_in_window"]),
                failures=_FAILURES.validate_python(data["failures"]),
                generator=_HEALTH.validate_python(data["generator"]),
                series=_SERIES.validate_python(data.get("series", [])),
                returns=_RETURNS.validate_python(data.get("returns", {})),
                media=MediaFigures.from_json(media) if (media := data.get("media")) else None,
                use_cases={
                    str(name): MediaFigures.from_json(found)
                    for name, found in data.get("use_cases", {}).items()
                },
                doubts=tuple(str(doubt) for doubt in data.get("doubts", ())),
            )
        except (KeyError, TypeError, AttributeError, OverflowError, ValidationError) as error:
            raise ValueError(f"no load result: {error}") from error


class Engine(Protocol):
    """What can put a system under load.

    Raises a `LabError` when the load could not be put on; what the system under load does
    wrong stands in the result.
    """

    def run(self, plan: LoadPlan) -> LoadResult:
        """Put the load on, once, in bounded time."""
        ...


def plan_from_json(text: str) -> LoadPlan:
    """Read a plan; raises ValueError (pydantic's, which names the field)."""
    return _PLAN.validate_json(text)


def plan_to_json(plan: LoadPlan) -> str:
    return _PLAN.dump_json(plan).decode()


_PLAN = TypeAdapter(LoadPlan)
_CONDITIONS = TypeAdapter(Conditions)
_HEALTH = TypeAdapter(GeneratorHealth)
_SERIES = TypeAdapter(tuple[Second, ...])
_RETURNS = TypeAdapter(dict[int, int])
_FAILURES = TypeAdapter(dict[str, int])
