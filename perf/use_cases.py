"""The classroom's use cases as criteria: all of them play at once, and each is judged by its own.

One load of some seconds serves all of these criteria, see `Scenario.shared`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lab.errors import LabError
from perf.load import LoadPlan, LoadResult
from perf.scenario import Figure, Scenario
from perf.study import CLASSROOM_UNITS, figure

#: Every use case, in turns; the first has the observers.
ALL = "lecture,discussion,exam,sports-live,operation-guidance,gaming"

PLANS: Mapping[str, LoadPlan] = {
    "embedded": LoadPlan(users=24, window_s=4, timeout_s=5, max_oversleep_us=20_000, profile=ALL),
    "lab": LoadPlan(
        users=120, window_s=30, ramp_s=5, timeout_s=10, max_oversleep_us=20_000, profile=ALL
    ),
}


class NotKnown(LabError):
    """The system gives no way to tell; that is no failure of it."""


@dataclass(frozen=True)
class UseCase(Scenario):
    """One figure of one use case; ``use_case`` None: of all students together."""

    use_case: str | None = None
    name: str = ""

    def figures(self, result: LoadResult) -> Iterator[Figure]:
        """The figure that is judged, and how many students there were."""
        media = result.media if self.use_case is None else result.use_cases[self.use_case]
        if media is None:
            raise LabError("a lesson without figures of its media")
        of_joins = self.name.startswith("join")
        value = figure(self.name, result) if of_joins else media.figure(self.name)
        if value is None and self.name.startswith("delay") and media.expected > media.lost:
            raise NotKnown(
                f"{self.name} of {self.use_case} cannot be told",
                found="packets with other numbers than they were sent with",
            )
        if value is None:  # nothing has come, for all of the window
            value = result.window_s * 1e6
        unit = CLASSROOM_UNITS[self.name]
        samples = result.began if of_joins else media.expected
        yield Figure(f"{self.prefix}_{self.name}", round(value, 3), unit, samples)
        yield Figure(f"{self.prefix}_students", media.students, "count", media.students)


def _use_case(statement: str, use_case: str | None, name: str) -> UseCase:
    prefix = "storm" if use_case is None else use_case.replace("-", "_")
    return UseCase(
        locustfile="classroom.py",
        statement=statement,
        prefix=prefix,
        rate_unit="joins/s",
        plans=PLANS,
        shared=True,
        use_case=use_case,
        name=name,
    )


USE_CASES: Mapping[str, Scenario] = {
    "SAAS-21": _use_case("a lecture loses next to nothing", "lecture", "loss"),
    "SAAS-22": _use_case("voices of a discussion come evenly", "discussion", "jitter_p95"),
    "SAAS-23": _use_case("an exam's pictures do not freeze", "exam", "freezes"),
    "SAAS-24": _use_case("a live event is shown in full", "sports-live", "frame_rate"),
    "SAAS-25": _use_case("guidance comes soon", "operation-guidance", "delay_p95"),
    "SAAS-26": _use_case("players are close to each other", "gaming", "delay_p95"),
    "SAAS-27": _use_case("who comes in a crowd sees soon", None, "first_frame_p95"),
    "SAAS-28": _use_case("a crowd leaves at once", None, "leave_p95"),
    "SAAS-29": _use_case("nobody is turned away", None, "join_failures"),
}
