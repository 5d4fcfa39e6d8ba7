"""When a camera sees somebody, in continuous time: for the ground truth.

Somebody on a straight and even leg is within a half-plane or a circle for one span of time, and
a camera's sight is made of such: its range, its opening less the shadows of obstacles' sides.
`camera` decides the same for one moment, in another way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import reduce

from lab.cvb.scenario import Camera, Leg, Mover, Obstacle, Point
from lab.cvb.spans import NEVER, Spans, common, union, without


def seen(camera: Camera, mover: Mover, obstacles: Iterable[Obstacle]) -> Spans:
    """When nothing is between the camera and somebody who is within its range and opening."""
    hiding = tuple(obstacles)
    found: list[tuple[float, float]] = []
    for leg in mover.legs:
        spans = common(_in_range(camera, leg), _in_opening(camera, leg))
        for obstacle in hiding:
            for side in obstacle.sides:
                spans = without(spans, _behind(camera.at, side, leg))
        found.extend(spans)
    return union(found)


def within(low: Point, high: Point, mover: Mover) -> Spans:
    """When somebody is in a rectangle."""
    found: list[tuple[float, float]] = []
    for leg in mover.legs:
        sides = [(low, (1, 0)), (low, (0, 1)), (high, (-1, 0)), (high, (0, -1))]
        found.extend(_all(_half_plane(leg, at, inwards) for at, inwards in sides))
    return union(found)


def nearer(leg: Leg, at: Point, than: float) -> Spans:
    """When a leg's motion is nearer to a point, also outside of its own time."""
    x, y = leg.motion.x - at[0], leg.motion.y - at[1]
    vx, vy = leg.motion.vx, leg.motion.vy
    a, b, c = vx * vx + vy * vy, x * vx + y * vy, x * x + y * y - than * than
    if a == 0:
        return ((-math.inf, math.inf),) if c < 0 else NEVER
    inside = b * b - a * c
    if inside <= 0:
        return NEVER
    middle, half = leg.begin - b / a, math.sqrt(inside) / a
    return ((middle - half, middle + half),)


def _in_range(camera: Camera, leg: Leg) -> Spans:
    return common(nearer(leg, camera.at, camera.range_m), ((leg.begin, leg.end),))


def _in_opening(camera: Camera, leg: Leg) -> Spans:
    if camera.opening_deg == 360:
        return ((leg.begin, leg.end),)
    if camera.opening_deg > 180:
        return without(
            ((leg.begin, leg.end),),
            _wedge(camera.at, camera.facing_deg + 180, 360 - camera.opening_deg, leg),
        )
    return _wedge(camera.at, camera.facing_deg, camera.opening_deg, leg)


def _wedge(tip: Point, facing_deg: float, opening_deg: float, leg: Leg) -> Spans:
    """Within an opening of up to 180 degrees: left of its right edge, right of its left one."""
    right = math.radians(facing_deg - opening_deg / 2)
    left = math.radians(facing_deg + opening_deg / 2)
    return common(
        _half_plane(leg, tip, (-math.sin(right), math.cos(right))),
        _half_plane(leg, tip, (math.sin(left), -math.cos(left))),
    )


def _behind(eye: Point, side: tuple[Point, Point], leg: Leg) -> Spans:
    """In the shadow that a side casts: between the rays through its ends, beyond its line."""
    a, b = ((point[0] - eye[0], point[1] - eye[1]) for point in side)
    turn = a[0] * b[1] - a[1] * b[0]
    if turn == 0:  # seen edge-on: hides nothing that its neighbours do not
        return NEVER
    if turn < 0:
        a, b = b, a
    along = (b[0] - a[0], b[1] - a[1])
    far = (eye[0] + a[0], eye[1] + a[1])
    return _all(
        (
            _half_plane(leg, eye, (-a[1], a[0])),
            _half_plane(leg, eye, (b[1], -b[0])),
            _half_plane(leg, far, (along[1], -along[0])),
        )
    )


def _all(spans: Iterable[Spans]) -> Spans:
    return reduce(common, spans)


def _half_plane(leg: Leg, at: Point, inwards: tuple[float, float]) -> Spans:
    """When a leg's motion is on that side of a line through a point."""
    offset = (leg.motion.x - at[0]) * inwards[0] + (leg.motion.y - at[1]) * inwards[1]
    speed = leg.motion.vx * inwards[0] + leg.motion.vy * inwards[1]
    begin, end = leg.begin, leg.end
    if speed == 0:
        return ((begin, end),) if offset >= 0 else NEVER
    crossing = leg.begin - offset / speed
    if speed > 0:
        begin = max(begin, crossing)
    else:
        end = min(end, crossing)
    return ((begin, end),) if begin < end else NEVER
