"""Locust users that are students: they get a token, join, take media, stay, and leave.

By itself: ``locust -f perf/classroom.py --use-case lecture -u 50 -r 5 -t 30s``, on the lab that
``IEC4_LAB`` names, else on the embedded lab that is up. Their media lives in a crowd's process
(`perf.crowd`); ramp, page, CSV and workers are Locust's. Each Locust worker has classrooms of
its own, staff included.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, ClassVar

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore
from locust import User, constant, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import StopUser

from lab.classroom import probe
from lab.classroom.rest import ClassroomApi
from lab.classroom.token import Role
from lab.errors import LabError, WaitTimeout
from lab.inventory import load as load_inventory
from lab.session import Lab
from lab.task import Task
from lab.wait import wait_for
from perf.crowd.messenger import Messenger
from perf.generator import GeneratorMonitor
from perf.histogram import Histogram
from perf.load import Conditions, GeneratorHealth, LoadPlan, LoadResult
from perf.locust_load import UNTIL_STOPPED_S, LocustLoad, is_by_itself, plan_of, put_on
from perf.media_figures import MediaFigures
from perf.observer import MAX_REASONS, OTHER, reason
from perf.profiles import BROWSER, OBSERVERS, STUDENT, Profile, profile

logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every request

#: The plan of who starts Locust by hand.
BY_HAND = LoadPlan(users=20, window_s=20, timeout_s=10, ramp_s=1, profile="lecture")
#: The crowd's own time-outs come first; only a crowd that hangs gets so much later.
SLACK_S = 10.0


class Lesson:
    """The classrooms of one load, the crowd in them, and the REST interface beside it."""

    def __init__(
        self, api: ClassroomApi, crowd: Messenger, use_cases: dict[str, Profile], plan: LoadPlan
    ) -> None:
        self.api = api
        self.crowd = crowd
        self.use_cases = use_cases
        self._plan = plan
        self._sessions: dict[tuple[str, int], str] = {}
        self._opening = BoundedSemaphore()

    def ask(self, do: str, *, seconds: float = 0.0, **told: Any) -> dict[str, Any]:
        """Give the crowd an order that may take ``seconds`` and the plan's time-outs."""
        patience = seconds + 2 * self._plan.timeout_s + SLACK_S
        return self.crowd.ask(do, patience, **told)

    def seat(self, student: int) -> tuple[str, int]:
        """The use case and the number of the classroom of student number ``student`` (from 0)."""
        names = tuple(self.use_cases)
        use_case = names[student % len(names)]
        return use_case, self.use_cases[use_case].classroom_of(student // len(names))

    def token(self, use_case: str, room: int) -> str:
        """A student's token for a classroom, which is opened if it is not; raises `LabError`."""
        with self._opening:
            if (use_case, room) not in self._sessions:
                self._sessions[use_case, room] = self.api.create_session().id
                self._bring_staff(use_case, room)
        sends = self.use_cases[use_case].parts[STUDENT].sends is not None
        return self._token(use_case, room, sends=sends)

    def _token(self, use_case: str, room: int, *, sends: bool) -> str:
        role = Role.PUBLISHER if sends else Role.SUBSCRIBER
        return self.api.create_token(self._sessions[use_case, room], role).url

    def _bring_staff(self, use_case: str, room: int) -> None:
        """Every other part joins and sends; in the very first classroom, observers come along."""
        first = (use_case, room) == self.seat(0)
        observers = (*OBSERVERS, *[BROWSER] * self._plan.browsers) if first else ()
        brought = []
        for number, part in enumerate((*self.use_cases[use_case].staff, *observers)):
            token = self._token(use_case, room, sends=part not in observers)
            brought.append(who := f"{use_case} {room} {number} {part}")
            self.ask("join", use_case=use_case, room=room, who=who, part=part, token=token)
        for who in brought:
            self.ask("engage", who=who)

    def close(self) -> None:
        """The classrooms end."""
        for session in self._sessions.values():
            with suppress(LabError):  # it ended with its last participant, or the server is down
                self.api.close_session(session)


@contextmanager
def arranged(host: str | None, plan: LoadPlan) -> Iterator[Lesson]:
    """A lesson on the lab that ``host`` (an inventory's name or path) or the environment names."""
    use_cases = {name: profile(name) for name in plan.profile.split(",")}
    inventory = load_inventory(host) if host else Task.from_environment().inventory
    with (
        Lab(inventory) as lab,
        probe.api(lab, timeout=plan.timeout_s) as api,
        Messenger() as crowd,
    ):
        lesson = Lesson(api, crowd, use_cases, plan)
        ca = lab.ca(probe.SYSTEM)
        lesson.ask(
            "open",
            api=api.url,
            ca=None if ca is None else str(ca),
            profiles={name: found.model_dump(mode="json") for name, found in use_cases.items()},
            timeout=plan.timeout_s,
        )
        try:
            for student in range(len(use_cases)):
                lesson.token(*lesson.seat(student))  # a classroom of each is open before they come
            yield lesson
        finally:
            lesson.close()


class Student(User):
    """Comes when Locust spawns it, and goes when the lesson is over."""

    wait_time = constant(0)
    load: ClassVar[LessonLoad]

    @task
    def attend(self) -> None:
        self.load.attend()
        raise StopUser


class LessonLoad(LocustLoad):
    """A lesson: students come, a window is watched, everybody leaves."""

    target: Lesson

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment, _plan(environment), arranged)
        self._over = Event()
        self._monitor = GeneratorMonitor(self._over.wait)
        self._came = 0
        self._settled = 0
        self._left = 0
        self._inside = 0
        self._joins = Histogram()
        self._leaves = Histogram()
        self._failures: Counter[str] = Counter()
        self._watched: dict[str, Any] | None = None
        self._own_health: GeneratorHealth | None = None
        self._broken = "the lesson ended before its window closed"
        self._defect: str | None = None
        self._conductor: Any = None
        self._watching = False
        happens: Any = environment.events
        happens.user_error.add_listener(self._note_defect)

    # -- one student --------------------------------------------------------------------

    def attend(self) -> None:
        """Come, stay to the end, go."""
        number, self._came = self._came, self._came + 1
        who = f"student {number}"
        joined = engaged = False
        try:
            use_case, room = self.target.seat(number)
            with self._telling("token"):
                token = self.target.token(use_case, room)
            with self._telling("join"):
                done = self.target.ask(
                    "join", use_case=use_case, room=room, who=who, part=STUDENT, token=token
                )
            joined = True
            with self._telling("media"):
                self.target.ask("engage", who=who)
            self._joins.record(done["join_s"] * 1e6)
            self._inside += 1
            engaged = True
        except (LabError, OSError) as error:
            self._fail(error)
        finally:
            self._settled += 1
        if engaged:
            self._over.wait()
        if joined:
            try:
                with self._telling("leave"):
                    done = self.target.ask("leave", who=who)
                self._leaves.record(done["leave_s"] * 1e6)
            except (LabError, OSError) as error:
                self._fail(error)
        self._left += 1

    @contextmanager
    def _telling(self, name: str) -> Iterator[None]:
        """Have Locust's table count what is done inside."""
        began = time.perf_counter()
        error: Exception | None = None
        try:
            yield
        except (LabError, OSError) as failure:
            error = failure
            raise
        finally:
            happens: Any = self.environment.events
            happens.request.fire(
                request_type="classroom",
                name=name,
                response_time=(time.perf_counter() - began) * 1000,
                response_length=0,
                exception=error,
                context={},
            )

    def _fail(self, error: Exception) -> None:
        why = reason(error)
        known = why in self._failures or len(self._failures) < MAX_REASONS
        self._failures[why if known else OTHER] += 1

    # -- the lesson ---------------------------------------------------------------------

    def all_users_are_there(self, **_: object) -> None:
        if self._conductor is None:
            happens: Any = self.environment.events
            happens.test_stopping.add_listener(lambda **_: self._stop_watching())
            gevent.spawn(self._monitor.watch)
            self._conductor = gevent.spawn(self._conduct)

    def give_up(self) -> None:
        self._over.set()

    def _note_defect(self, exception: Exception, **_: object) -> None:
        """A student raised what is neither the classroom's failure nor its own end."""
        self._defect = self._defect or f"{type(exception).__name__}: {exception}"

    def _stop_watching(self) -> None:
        """Locust ends the load: what was seen until now is the window."""
        if self._watching:
            self._watching = False
            with suppress(LabError):
                self.target.ask("stop watching")
            self._conductor.join(2 * self.plan.timeout_s + SLACK_S)

    def _conduct(self) -> None:
        """Wait until everybody has media, warm up, watch, and have everybody leave."""
        patience = 2 * self.plan.timeout_s + SLACK_S
        users = self.environment.runner.user_count if self.environment.runner else 0
        by_locust = False
        try:
            self._wait("every student's coming", lambda: self._settled >= users, patience)
            if self._over.wait(self.plan.warm_up_s):
                return
            self._monitor.start()
            self._watching = True
            self._watched = self.target.ask(
                "watch", seconds=self.plan.window_s, window_s=self.plan.window_s
            )
            self._own_health = self._monitor.stop()
            by_locust, self._watching = not self._watching, False
            self._over.set()
            self._wait("every student's leaving", lambda: self._left >= self._came, patience)
        except (LabError, OSError) as error:
            self._broken = f"{self._broken}: {error}"
        self._over.set()
        if not by_locust:
            self.leave()

    @staticmethod
    def _wait(what: str, met: Any, patience: float) -> None:
        with suppress(WaitTimeout):  # who is not there by then has failed, and that is counted
            wait_for(what, met, timeout=patience)

    def finish(self) -> LoadResult | str:
        self._over.set()
        if self._defect is not None:
            return f"a student has a defect: {self._defect}"
        if self._watched is None or self._own_health is None:
            return self._broken
        use_cases = {
            name: MediaFigures.from_json(found)
            for name, found in self._watched["use_cases"].items()
        }
        media = MediaFigures.of(use_cases.values())
        media.leave = self._leaves
        crowds = GeneratorHealth(**self._watched["health"])
        return LoadResult(
            plan=self.plan,
            conditions=Conditions.here(
                ("locust", "gevent", "aiortc", "websockets", "numpy"),
                body_bytes=0,
                connections=self._came,
            ),
            window_s=float(self._watched["window_s"]),
            latencies=self._joins,
            succeeded_in_window=self._inside,
            failures=dict(self._failures.most_common()),
            generator=_worse(crowds, self._own_health),
            media=media,
            use_cases=use_cases,
            doubts=tuple(self._watched["doubts"]),
        )


def _worse(crowd: GeneratorHealth, locust: GeneratorHealth) -> GeneratorHealth:
    """The busier process of the two; only how late the crowd wakes shows in media's figures."""
    return replace(crowd, cpu_percent=max(crowd.cpu_percent, locust.cpu_percent))


def _plan(environment: Environment) -> LoadPlan:
    """The engine's plan, else what the command line says."""

    def by_hand(options: Any) -> LoadPlan:
        return replace(
            BY_HAND,
            users=options.num_users or BY_HAND.users,
            window_s=float(options.run_time or UNTIL_STOPPED_S),
            profile=options.use_case or BY_HAND.profile,
        )

    return plan_of(environment, by_hand)


def _made(environment: Environment) -> LessonLoad:
    Student.load = LessonLoad(environment)
    logging.getLogger("locust.stats_logger").disabled = not is_by_itself()
    return Student.load


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def _add_profile(parser: LocustArgumentParser) -> None:
    parser.add_argument("--use-case", default="", help="the use case: perf/profiles.yaml")


put_on(_made, _plan)
