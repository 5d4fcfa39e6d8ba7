"""A lesson and connected vehicles on the same edge: neither breaks the other's promise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from blueprints.evidence import Evidence
from lab.classroom.lesson import Lesson
from lab.classroom.media import Heard
from lab.cvb.play import Played, first_that_tells
from lab.cvb.site import Site
from lab.cvb.trial import play_anew
from lab.session import Lab

#: What the teacher says (Hz), and how long the student listens while vehicles are warned (s).
TONE, SIZE, WATCH_S = 440.0, (320, 240), 10.0
#: So often both are tried when the suite's own sources fell behind, and not all was well.
WINDOWS = 3


@dataclass(frozen=True)
class Both:
    """What a student got of a lesson, and vehicles of a crowded road, at the same time."""

    heard: Heard
    played: Played


@pytest.fixture(scope="module")
def windows(lab: Lab) -> Callable[[int], Both]:
    """Window number n, taken once; the lesson is taught on the host of the site's first edge."""
    taken: list[Both] = []

    def window(number: int) -> Both:
        while len(taken) <= number:
            taken.append(at_once(lab))
        return taken[number]

    return window


def at_once(lab: Lab) -> Both:
    with Site(lab) as site, Lesson(lab) as lesson, ThreadPoolExecutor(1) as pool:
        teacher, student = lesson.teacher(), lesson.student()
        stream = teacher.publish_tone(TONE, picture=True, size=SIZE)
        student.subscribe(stream, video=True)
        playing = pool.submit(asyncio.run, play_anew(site, "crowded"))
        heard = student.hear(stream, WATCH_S)
        return Both(heard, playing.result())


@pytest.mark.criterion("E2E-03")
def test_a_lesson_keeps_its_promise_beside_vehicles(
    windows: Callable[[int], Both], evidence: Evidence
) -> None:
    both = windows(0)
    seen = both.heard
    with evidence.judge("the student sees the teacher as ever while vehicles are warned"):
        assert seen.picture is not None, "no picture can be seen"
        evidence.check(
            evidence.measure(
                "picture_rate", seen.picture.rate_percent, "%", samples=seen.video_frames
            ),
            evidence.measure(
                "packet_loss", seen.loss_percent, "%", samples=seen.packets + seen.lost
            ),
        )
        assert (seen.picture.width, seen.picture.height) == SIZE


@pytest.mark.criterion("E2E-04")
def test_vehicles_are_warned_in_time_beside_a_lesson(
    windows: Callable[[int], Both], evidence: Evidence
) -> None:
    taken = (windows(number).played for number in range(WINDOWS))
    played = first_that_tells(taken, lambda one: one.in_time and one.judged().flawless)
    evidence.attach("judgement.txt", str(played.judged()))
    with evidence.judge(
        "vehicles are warned in time, and of nothing else, while a lesson is taught"
    ):
        assert played.latencies_ms, "no warning came"
        samples = len(played.latencies_ms)
        evidence.check(evidence.measure("warning_p99", played.p99_ms, "ms", samples=samples))
        judged = played.judged()
        assert judged.flawless, str(judged)
