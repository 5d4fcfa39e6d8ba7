"""A roadside camera: what it sees of a scenario at a moment, and a source that tells an edge.

It sees who is within its range and opening with no obstacle between; errors of positions and
velocities are even within the camera's bounds, and the same again for the same seed.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from lab.cvb.contracts import (
    EDGE_OBJECT,
    PUBLISH,
    Detection,
    Frame,
    FrameGiven,
    Kind,
    Vector,
)
from lab.cvb.scenario import Camera, Obstacle, Point, Scenario
from lab.cvb.timeline import Punctuality, Timeline, now_us
from lab.tars.aio import AsyncCaller, AsyncProxy
from lab.tars.errors import TarsError

#: Answers to frames are awaited for so long, seconds.
ANSWER_S = 3.0


class RoadsideCamera:
    """One camera of a scenario; ``source`` is its name for edges, if that is another.

    Whom it sees it gives tracks of its own, which say nothing to who knows other cameras'.
    """

    def __init__(
        self, scenario: Scenario, name: str, *, seed: int = 0, source: str | None = None
    ) -> None:
        self.scenario = scenario
        self.camera: Camera = scenario.cameras[name]
        self.source = source or name
        self._seed = f"{seed}/{name}"
        numbers = list(range(1, len(scenario.everybody) + 1))
        self._chance("tracks").shuffle(numbers)
        self._tracks = dict(zip(scenario.everybody, numbers, strict=True))

    @property
    def frames(self) -> int:
        """How many it takes: one at the start and then each period, before the end."""
        return math.ceil(self.scenario.duration_s * self.camera.rate_hz - 1e-9)

    def moment(self, number: int) -> float:
        """When it takes a frame, from number 0; seconds since the scenario's start."""
        return number / self.camera.rate_hz

    def detections(self, number: int) -> list[Detection]:
        """What it sees in a frame."""
        return list(self._detections(number))

    def frame(self, number: int, application: str, timeline: Timeline, *, first: int = 1) -> Frame:
        """A frame for an application; ``first`` is the sequence of number 0."""
        return Frame(
            source=self.source,
            sequence=first + number,
            at_us=timeline.us(self.moment(number)),
            application=application,
            detections=self.detections(number),
        )

    def sees(self, place: Point) -> bool:
        """Whether it sees who is there."""
        camera = self.camera
        dx, dy = place[0] - camera.at[0], place[1] - camera.at[1]
        if math.hypot(dx, dy) >= camera.range_m:
            return False
        aside = math.degrees(math.atan2(dy, dx)) - camera.facing_deg
        if abs((aside + 180) % 360 - 180) > camera.opening_deg / 2:
            return False
        obstacles = self.scenario.obstacles.values()
        return not any(_between(camera.at, place, obstacle) for obstacle in obstacles)

    def _detections(self, number: int) -> Iterator[Detection]:
        moment, chance = self.moment(number), self._chance(number)
        for name, mover in self.scenario.everybody.items():
            motion = mover.at(moment)
            if motion is None or not self.sees((motion.x, motion.y)):
                continue
            yield Detection(
                track=f"{self.source}#{self._tracks[name]}",
                kind=Kind[mover.kind.upper()],
                position=_off(chance, motion.x, motion.y, self.camera.error_m),
                velocity=_off(chance, motion.vx, motion.vy, self.camera.error_mps),
                confidence=chance.uniform(0.8, 1.0),
                plate=mover.plate,
            )

    def _chance(self, what: object) -> random.Random:
        return random.Random(f"{self._seed}/{what}")  # noqa: S311 - the same each time


def _off(chance: random.Random, x: float, y: float, by: float) -> Vector:
    """A place within a disc around one."""
    angle, far = chance.uniform(0, 2 * math.pi), by * math.sqrt(chance.random())
    return Vector(x + far * math.cos(angle), y + far * math.sin(angle))


def _between(eye: Point, place: Point, obstacle: Obstacle) -> bool:
    """Whether the line of sight crosses one of an obstacle's sides."""
    return any(
        _turn(eye, place, a) * _turn(eye, place, b) < 0
        and _turn(a, b, eye) * _turn(a, b, place) < 0
        for a, b in obstacle.sides
    )


def _turn(a: Point, b: Point, c: Point) -> float:
    """Positive when a, b, c turn to the left, negative to the right, 0 on a line."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


@dataclass
class Published:
    """What became of a frame. ``code`` is the edge's, None with an ``error``."""

    sequence: int
    at_us: int
    detections: int
    sent_us: int
    answered_us: int | None = None
    code: int | None = None
    error: str = ""


@dataclass
class Replay:
    """What a camera told an edge."""

    source: str
    punctuality: Punctuality
    period_s: float
    frames: list[Published] = field(default_factory=list)

    @property
    def codes(self) -> Counter[int | str]:
        """How often which code, or "unanswered", came back."""
        found = (one.code for one in self.frames)
        return Counter("unanswered" if code is None else code for code in found)

    @property
    def spoilt_by(self) -> tuple[str, ...]:
        """Why it says nothing of the edge: it fell behind; empty if it did not."""
        return self.punctuality.spoilt_by(self.period_s)


async def replay(
    camera: RoadsideCamera,
    client: AsyncCaller,
    token: str,
    application: str,
    timeline: Timeline,
    *,
    servant: str = EDGE_OBJECT,
    first: int = 1,
) -> Replay:
    """Publish all of a camera's frames, each at its moment, however long answers take.

    What an edge does not answer, or answers wrongly, is noted and not raised.
    """
    period = 1 / camera.camera.rate_hz
    found = Replay(camera.source, Punctuality(f"camera {camera.source}"), period)
    proxy = AsyncProxy(client, servant)

    async def publish(frame: Frame, published: Published) -> None:
        try:
            given = FrameGiven(token, frame)
            published.code = (await proxy.invoke(PUBLISH, given, timeout=ANSWER_S)).ret
            published.answered_us = now_us()
        except TarsError as error:
            published.error = str(error)

    async with asyncio.TaskGroup() as under_way:
        for number in range(camera.frames):
            frame = camera.frame(number, application, timeline, first=first)
            found.punctuality.record(await timeline.until(camera.moment(number)))
            published = Published(frame.sequence, frame.at_us, len(frame.detections), now_us())
            found.frames.append(published)
            under_way.create_task(publish(frame, published))
    return found
