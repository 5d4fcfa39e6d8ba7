"""What an edge asks of the others, and the data centre; it shows them the edges' token."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence

from lab.cvb import contracts
from lab.cvb.contracts import (
    DATA_CENTRE_OBJECT,
    EDGE_OBJECT,
    QUERY,
    RELAY,
    WORK_OUT,
    Area,
    Code,
    Detection,
    Frame,
    FrameGiven,
    Query,
    Target,
    Vector,
    VehicleState,
    Work,
)
from lab.cvb.embedded.links import Finder, Link
from lab.cvb.embedded.settings import EdgePlace, Rectangle, Settings
from lab.tars.errors import TarsError

_log = logging.getLogger(__name__)

#: For how long another edge is asked what it has seen, and told what lies in its area, seconds.
_ANSWERS_S = 1.0


class Refused(TarsError):
    """Another server of the application has answered with a code."""


class Neighbourhood:
    """The edges around one, in the site's order, and the data centre."""

    def __init__(self, settings: Settings, here: EdgePlace, token: str, finder: Finder) -> None:
        self.here = here
        self.neighbours = settings.neighbours(here)
        self.data_centre = Link(finder, DATA_CENTRE_OBJECT)
        self._token = token
        self._takes: set[tuple[str, str]] = set()
        self._links = {edge.name: Link(finder, EDGE_OBJECT, edge.host) for edge in self.neighbours}

    async def work_out(
        self, target: Target, frame: Frame, vehicles: Sequence[VehicleState], timeout: float
    ) -> list[contracts.Warning]:
        """Have a frame worked out by the first neighbour, or the data centre.

        Raises `TarsError`.
        """
        if target is Target.NEIGHBOUR and not self.neighbours:
            raise Refused(f"{self.here.name} has no neighbour")
        near = target is Target.NEIGHBOUR
        link = self._links[self.neighbours[0].name] if near else self.data_centre
        work = Work(self._token, frame, list(vehicles))
        answer = await link.invoke(WORK_OUT, work, timeout=timeout)
        if answer.ret != Code.DONE:
            raise Refused(f"workOut is answered with {Code(answer.ret).name}")
        return answer.warnings

    def beyond(self, frame: Frame) -> dict[EdgePlace, Frame]:
        """For each neighbour what of a frame lies in its area, if anything does."""
        outside = [
            one
            for one in frame.detections
            if not self.here.area.holds(one.position.x, one.position.y)
        ]
        parts: dict[EdgePlace, list[Detection]] = defaultdict(list)
        for one in outside:
            for edge in self.neighbours:
                if edge.area.holds(one.position.x, one.position.y):
                    parts[edge].append(one)
        return {
            edge: Frame(frame.source, frame.sequence, frame.at_us, frame.application, part)
            for edge, part in parts.items()
        }

    async def relay(self, edge: EdgePlace, frame: Frame) -> None:
        """Send on what lies in a neighbour's area; one that cannot be reached goes without."""
        given = FrameGiven(self._token, frame)
        try:
            answer = await self._links[edge.name].invoke(RELAY, given, timeout=_ANSWERS_S)
        except TarsError as error:
            _log.warning("%s is not told of a frame: %s", edge.name, error)
            self._takes.discard((edge.name, frame.application))
            return
        if answer.ret == Code.DONE:
            self._takes.add((edge.name, frame.application))
        else:  # it may have no such application
            self._takes.discard((edge.name, frame.application))

    def area_of(self, place: Vector) -> EdgePlace | None:
        """The neighbour in whose area a place is."""
        return next((e for e in self.neighbours if e.area.holds(place.x, place.y)), None)

    def takes(self, edge: EdgePlace, application: str) -> bool:
        """Whether that edge took what it was last told of an application."""
        return (edge.name, application) in self._takes

    async def seen(self, area: Rectangle, since_us: int) -> dict[EdgePlace, list[Detection]]:
        """What those neighbours answer that have ground in an area, each asked for its own."""
        asked = {
            edge: common
            for edge in self.neighbours
            if (common := _common(area, edge.area)) is not None
        }
        answers = await asyncio.gather(
            *(self._seen_by(edge, common, since_us) for edge, common in asked.items())
        )
        return {
            edge: answer for edge, answer in zip(asked, answers, strict=True) if answer is not None
        }

    async def _seen_by(
        self, edge: EdgePlace, area: Rectangle, since_us: int
    ) -> list[Detection] | None:
        corners = Area(Vector(area.west, area.south), Vector(area.east, area.north))
        query = Query(self._token, corners, since_us, neighbours=False)
        try:
            answer = await self._links[edge.name].invoke(QUERY, query, timeout=_ANSWERS_S)
        except TarsError as error:
            _log.warning("%s does not say what it has seen: %s", edge.name, error)
            return None
        return answer.detections if answer.ret == Code.DONE else None

    def close(self) -> None:
        for link in (*self._links.values(), self.data_centre):
            link.close()


def _common(one: Rectangle, other: Rectangle) -> Rectangle | None:
    """The ground that is in both."""
    found = Rectangle(
        max(one.west, other.west),
        max(one.south, other.south),
        min(one.east, other.east),
        min(one.north, other.north),
    )
    return found if found.west < found.east and found.south < found.north else None
