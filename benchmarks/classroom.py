"""``./iec4 bench classroom``: how many students the embedded classroom serves, and how well.

The backend has one core, the load (Locust and the students) another. Students are header-only;
two observers, one who decrypts and one who decodes, ride along in every window.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from benchmarks.classroom_backend import Backend, classroom_backend
from benchmarks.cores import on_core
from benchmarks.figures import BenchFailed, Figure, Taken, bench, say
from benchmarks.rpc import two_cores
from lab.classroom.probe import SYSTEM, api
from lab.classroom.token import Role
from lab.errors import LabError
from lab.inventory import load
from lab.session import Lab
from lab.wait import wait_for
from perf.crowd.messenger import Messenger
from perf.load import LoadPlan, LoadResult
from perf.locust_engine import PERF, LocustEngine
from perf.profiles import STUDENT, profile

AUDIO, AUDIO_AND_VIDEO = "talk", "lecture"
#: Seconds from the beginning in which a spoilt window with losses is measured again.
AGAIN_S = 180.0
#: Seconds that descriptors and threads are given to be back, and the crowd for an order.
BACK_S = 20.0
#: Descriptors and threads that a server may open meanwhile of its own accord, whatever the cycles.
OWN_ACCORD = 2
_PATIENCE_S = 30.0

FIGURES = (
    Figure("audio_students", "students who hear a teacher without a lost packet", least=300),
    Figure("av_students", "students who hear and see one without a lost packet", least=180),
    Figure("audio_p95_ms_at_100", "packet delay (p95) at 100 students, audio", 10.0),
    Figure("av_p95_ms_at_100", "the same, audio and video", 25.0),
    Figure("student_core_percent", "share of a core that a header-only student costs", 0.3),
    Figure("join_p95_ms", "100 students join in 10 s: from token to joinRoom's reply", 1000.0),
    Figure("backend_mib_per_student", "the backend's private memory for each of 100 students", 1.5),
    Figure("leak_percent", "its private memory after {} joins and leaves more", 5.0),
)


@dataclass(frozen=True)
class Size:
    """How much is measured: steps of students, largest last, seconds of a window, and cycles.

    ``start`` is the step that is tried first: upwards while nothing is lost, else downwards.
    """

    audio: tuple[int, ...] = (300, 400, 500, 600)
    video: tuple[int, ...] = (180, 240, 300, 400)
    start: int = 2
    window_s: float = 30.0
    few: int = 100
    ramp_s: float = 10.0
    cycles: int = 1000
    #: Students who come in a second when many are to be there.
    a_second: float = 12.0


FULL = Size()
QUICK = Size((4, 8), (3, 6), 1, window_s=1.5, few=6, ramp_s=1.0, cycles=20, a_second=10)


def main(json: bool, write: bool, quick: bool = False) -> int:
    """Take the figures; see `benchmarks.figures.bench`. ``quick`` shows that it works, no more."""
    size = QUICK if quick else FULL
    known = [replace(figure, means=figure.means.format(size.cycles)) for figure in FIGURES]
    if quick:
        known = [replace(figure, least=None, limit=None) for figure in known]
    return bench("classroom", known, lambda place: take(place, size), json=json, write=write)


def take(place: Path, size: Size) -> Taken:
    """All figures; raises `BenchFailed`."""
    cores = two_cores()
    with classroom_backend(place, cores.server) as backend, on_core(cores.client):
        meter = _Meter(backend, size)
        idle = backend.private_bytes
        say(f"{size.few} students, audio")
        audio = meter.few(AUDIO)
        say(f"{size.few} students, audio and video")
        video = meter.few(AUDIO_AND_VIDEO)
        held = meter.most_bytes - idle
        say("how many students can listen")
        listeners = meter.most(AUDIO, size.audio)
        say("how many can watch")
        watchers = meter.most(AUDIO_AND_VIDEO, size.video)
        say(f"{size.cycles} joins and leaves")
        leak = leak_percent(backend, size.cycles)
    return Taken(
        {
            "audio_students": listeners,
            "av_students": watchers,
            "audio_p95_ms_at_100": round(_of(audio, "delay_p95") / 1000, 2),
            "av_p95_ms_at_100": round(_of(video, "delay_p95") / 1000, 2),
            "student_core_percent": round(_of(video, "student_cpu"), 3),
            "join_p95_ms": round(audio.latencies.percentile(95) / 1000, 1),
            "backend_mib_per_student": round(held / 2**20 / size.few, 2),
            "leak_percent": leak,
        },
        meter.conditions,
    )


class _Meter:
    """Puts lessons on one backend, a window each."""

    def __init__(self, backend: Backend, size: Size) -> None:
        self._backend = backend
        self._size = size
        self._engine = LocustEngine(PERF / "classroom.py", host=str(backend.inventory))
        self._windows: list[LoadResult] = []
        self._begun = time.monotonic()
        self.most_bytes = 0

    @property
    def conditions(self) -> dict[str, str | float]:
        spoilt = sum(not window.window_valid for window in self._windows)
        picture = profile(AUDIO_AND_VIDEO).parts["teacher"].sends
        assert picture is not None, "a teacher sends"
        assert picture.video is not None, "and a picture"
        shown = picture.video
        return {
            "window_s": self._size.window_s,
            "video": f"{shown.width}x{shown.height}@{shown.rate}, {shown.kbps} kbit/s",
            "windows": len(self._windows),
            "windows_spoilt": spoilt,
        }

    def few(self, use_case: str) -> LoadResult:
        """A window with few students, whose delays count; a spoilt one is measured once more."""
        plan = LoadPlan(
            users=self._size.few,
            window_s=self._size.window_s,
            ramp_s=self._size.ramp_s,
            timeout_s=10.0,
            profile=use_case,
        )
        windows = []
        for _ in range(2):
            windows.append(self._window(plan))
            if windows[-1].window_valid:
                break
        found = min(windows, key=lambda w: (not w.window_valid, w.generator.oversleep_p99_us))
        if found.failures or found.media is None or not found.media.delay.count:
            raise BenchFailed(f"{use_case}, {found.summary()}: {_reasons(found)}")
        return found

    def most(self, use_case: str, steps: tuple[int, ...]) -> int:
        """The highest step at which nothing is lost; 0 when there is none."""
        place = self._size.start
        if self._kept(use_case, steps[place]):
            higher = steps[place + 1 :]
            reached = steps[place]
            for students in higher:
                if not self._kept(use_case, students):
                    break
                reached = students
            return reached
        lower = (n for n in reversed(steps[:place]) if self._kept(use_case, n))
        return next(lower, 0)

    def _kept(self, use_case: str, students: int) -> bool:
        plan = LoadPlan(
            users=students,
            window_s=self._size.window_s,
            ramp_s=students / self._size.a_second,
            warm_up_s=4.0,
            timeout_s=20.0,
            profile=use_case,
        )
        while True:
            found = self._window(plan)
            lost = found.media is None or found.media.lost > 0
            kept = not lost and not found.failures
            again = not found.window_valid and time.monotonic() < self._begun + AGAIN_S
            if kept or not again:
                return kept

    def _window(self, plan: LoadPlan) -> LoadResult:
        with ThreadPoolExecutor(1) as pool:
            measuring = pool.submit(self._engine.run, plan)
            try:
                wait_for(
                    "the window's end",
                    lambda: self._look(over=measuring.done()),
                    timeout=plan.ramp_s + plan.window_s + 4 * plan.timeout_s + 60,
                    interval=1.0,
                )
                found = measuring.result()
            except LabError as error:
                raise BenchFailed(f"{error}\n{getattr(error, 'evidence', '')}") from error
        self._windows.append(found)
        against = [f"spoilt: {why}" for why in found.spoilt_by]
        against += [f"{count} times: {why}" for why, count in found.failures.items()]
        say("; ".join([f"… {found.summary()}", *against]))
        return found

    def _look(self, *, over: bool) -> bool:
        self.most_bytes = max(self.most_bytes, self._backend.private_bytes)
        return over


def leak_percent(backend: Backend, cycles: int) -> float:
    """Joins and leaves, media and all, by four at a time; how much more memory is held after.

    Raises `BenchFailed` when descriptors or threads do not come back.
    """
    with Lab(load(str(backend.inventory))) as lab, api(lab) as rest, Messenger() as crowd:
        use_case = profile(AUDIO_AND_VIDEO)
        ask = crowd.ask
        ask(
            "open",
            _PATIENCE_S,
            api=rest.url,
            ca=str(lab.ca(SYSTEM)),
            profiles={AUDIO_AND_VIDEO: use_case.model_dump(mode="json")},
            timeout=10.0,
        )
        session = rest.create_session().id

        def enter(who: str, part: str) -> None:
            role = Role.PUBLISHER if part != STUDENT else Role.SUBSCRIBER
            token = rest.create_token(session, role).url
            told = {"use_case": AUDIO_AND_VIDEO, "room": 0, "who": who, "part": part}
            ask("join", _PATIENCE_S, token=token, **told)
            ask("engage", _PATIENCE_S, who=who)

        names = count()

        def cycle(_: int) -> None:
            who = f"cycle {next(names)}"
            enter(who, STUDENT)
            ask("leave", _PATIENCE_S, who=who)

        enter("teacher", "teacher")
        try:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(cycle, range(max(4, cycles // 4))))  # until buffers have their size
                open_before = _settled(backend)
                held = backend.private_bytes
                list(pool.map(cycle, range(cycles)))
        except LabError as error:
            raise BenchFailed(f"joins and leaves: {error}") from error
        _back(backend, open_before)
        now = backend.private_bytes
        ask("leave", _PATIENCE_S, who="teacher")
    return round(100 * (now - held) / held, 2)


def _settled(backend: Backend) -> tuple[int, int]:
    """Descriptors and threads once what has left is gone."""
    least = backend.kept_open
    until = time.monotonic() + 3

    def quiet() -> bool:
        nonlocal least
        least = min(least, backend.kept_open)
        return time.monotonic() > until

    wait_for("what has left to be gone", quiet, timeout=BACK_S)
    return least


def _back(backend: Backend, before: tuple[int, int]) -> None:
    """Wait until no more is open than before, but for what a server opens of its own accord."""

    def met() -> bool:
        now = backend.kept_open
        return all(after - of <= OWN_ACCORD for after, of in zip(now, before, strict=True))

    try:
        wait_for("sockets and threads to be back", met, timeout=BACK_S)
    except LabError as error:
        found = f"{backend.kept_open}, {before} before all joins and leaves"
        raise BenchFailed(f"descriptors and threads: {found}") from error


def _of(window: LoadResult, name: str) -> float:
    value = None if window.media is None else window.media.figure(name)
    if value is None:
        raise BenchFailed(f"{name}: nothing was measured")
    return value


def _reasons(window: LoadResult) -> str:
    return ", ".join(f"{why} ({n} times)" for why, n in window.failures.items()) or "no media"
