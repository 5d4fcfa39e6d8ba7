"""Objects: which detections of several frames and sources are of one. No clock.

A source's own name for an object holds within that source. Detections of two sources are of one
object if they are of one kind and were nearer than ``merge_m`` at the same moment; to compare
them at one moment, an object is taken to have gone on as it went.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

from lab.cvb.contracts import Detection, Frame, Kind, Vector

#: How long an object that nobody names is taken to go on as it went, microseconds.
_GOES_ON_US = 2_000_000
#: For so long what another source saw counts against what this one sees, microseconds.
_FRESH_US = 1_000_000
#: How often objects are looked through for those that nobody asks for any more, microseconds.
_PRUNE_US = 1_000_000
#: Objects of one application that are kept; beyond, those go that were seen longest ago.
OBJECTS = 20_000


class Sight(NamedTuple):
    """A detection and its moment."""

    at_us: int
    detection: Detection

    def where(self, at_us: int) -> tuple[float, float]:
        """Where the object is at another moment if it goes on."""
        passed = (at_us - self.at_us) / 1e6
        p, v = self.detection.position, self.detection.velocity
        return p.x + v.x * passed, p.y + v.y * passed


class Object:
    """One object: how each source last saw it, and until when it was a hazard to whom."""

    __slots__ = ("hazard_until_us", "latest", "sights")

    def __init__(self) -> None:
        self.sights: dict[str, Sight] = {}
        self.latest = _UNSEEN
        self.hazard_until_us: dict[str, int] = {}

    def begins(self, vehicle: str, at_us: int, end_us: int) -> bool:
        """It is a hazard to a vehicle; whether an episode begins with that.

        One has ended when the rule has not held for ``end_us``.
        """
        before = self.hazard_until_us.get(vehicle)
        self.hazard_until_us[vehicle] = max(at_us, before or 0)
        return before is None or at_us - before > end_us

    def see(self, source: str, sight: Sight) -> None:
        self.sights[source] = sight
        if sight.at_us >= self.latest.at_us:
            self.latest = sight

    def agrees(self, source: str, sight: Sight, merge2: float) -> bool:
        """Whether what other sources lately saw of it lies where this one sees it."""
        p = sight.detection.position
        for other, seen in self.sights.items():
            if other != source and abs(sight.at_us - seen.at_us) < _FRESH_US:
                x, y = seen.where(sight.at_us)
                if (x - p.x) ** 2 + (y - p.y) ** 2 >= merge2:
                    return False
        return True


_UNSEEN = Sight(0, Detection("", Kind.VEHICLE, Vector(0.0, 0.0), Vector(0.0, 0.0), 0.0))


class Objects:
    """The objects of one application."""

    def __init__(self, merge_m: float) -> None:
        self._merge_m = merge_m
        self._merge2 = merge_m**2
        self._named: dict[tuple[str, str], Object] = {}
        self._all: dict[Object, None] = {}
        self._pruned_us = 0

    def __len__(self) -> int:
        return len(self._all)

    def see(self, frame: Frame, *, sources_apart: bool = False) -> list[Object]:
        """The object of each of a frame's detections, in their order; no two have one.

        ``sources_apart``: as if what another source has seen were never the same.
        """
        source, at_us = frame.source, frame.at_us
        found: list[Object | None] = []
        claimed: set[Object] = set()
        for detection in frame.detections:
            known = self._named.get((source, detection.track)) if detection.track else None
            if known is not None and (
                known in claimed
                or detection.kind != known.latest.detection.kind
                or (
                    len(known.sights) > 1
                    and not known.agrees(source, Sight(at_us, detection), self._merge2)
                )
            ):
                known = None
            if known is not None:
                claimed.add(known)
            found.append(known)
        if None in found:
            candidates: Iterable[Object] = self._all
            if sources_apart:
                candidates = [one for one in self._all if source in one.sights]
            self._recognise(frame, found, claimed, candidates)
        objects = [one for one in found if one is not None]
        for detection, one in zip(frame.detections, objects, strict=True):
            one.see(source, Sight(at_us, detection))
        return objects

    def _recognise(
        self,
        frame: Frame,
        found: list[Object | None],
        claimed: set[Object],
        candidates: Iterable[Object],
    ) -> None:
        """Find, or make, the objects of those detections that no name leads to."""
        ground = _Ground(candidates, frame.at_us, self._merge_m)
        for number, detection in enumerate(frame.detections):
            if found[number] is not None:
                continue
            sight = Sight(frame.at_us, detection)
            near = ground.nearest(sight, claimed)
            if near is not None and not near.agrees(frame.source, sight, self._merge2):
                near = None
            one = near or Object()
            self._all[one] = None
            claimed.add(one)
            found[number] = one
            if detection.track:
                self._named[frame.source, detection.track] = one

    def since(self, at_us: int) -> Iterator[Object]:
        """The objects that were seen at that moment or later."""
        return (one for one in self._all if one.latest.at_us >= at_us)

    def prune(self, now_us: int, keep_us: int) -> None:
        """Forget, now and then, what was last seen longer than ``keep_us`` ago."""
        if now_us - self._pruned_us < _PRUNE_US and len(self._all) <= OBJECTS:
            return
        self._pruned_us = now_us
        kept = [one for one in self._all if now_us - one.latest.at_us <= keep_us]
        if len(kept) > OBJECTS:
            kept = sorted(kept, key=lambda one: one.latest.at_us)[-OBJECTS * 3 // 4 :]
        self._all = dict.fromkeys(kept)
        self._named = {name: one for name, one in self._named.items() if one in self._all}


class _Ground:
    """Where objects are at a moment, by squares as wide as the distance that is asked for."""

    def __init__(self, objects: Iterable[Object], at_us: int, reach_m: float) -> None:
        self._reach_m = reach_m
        self._squares: dict[tuple[int, int], list[tuple[float, float, Kind, Object]]]
        self._squares = defaultdict(list)
        for one in objects:
            if abs(at_us - one.latest.at_us) <= _GOES_ON_US:
                x, y = one.latest.where(at_us)
                square = int(x // reach_m), int(y // reach_m)
                self._squares[square].append((x, y, one.latest.detection.kind, one))

    def nearest(self, sight: Sight, not_these: set[Object]) -> Object | None:
        """The nearest of the sight's kind within reach."""
        p, kind = sight.detection.position, sight.detection.kind
        column, row = int(p.x // self._reach_m), int(p.y // self._reach_m)
        best, least = None, self._reach_m**2
        for square in product(range(column - 1, column + 2), range(row - 1, row + 2)):
            for x, y, its_kind, one in self._squares.get(square, ()):
                apart = (x - p.x) ** 2 + (y - p.y) ** 2
                if its_kind == kind and apart < least and one not in not_these:
                    best, least = one, apart
        return best


def merged(
    detections: Sequence[Detection], more: Iterable[Detection], merge_m: float
) -> list[Detection]:
    """``detections``, and of ``more`` those that are near none of its kind."""
    found = list(detections)
    for detection in more:
        p = detection.position
        if not any(
            one.kind == detection.kind
            and (one.position.x - p.x) ** 2 + (one.position.y - p.y) ** 2 < merge_m**2
            for one in detections
        ):
            found.append(detection)
    return found
