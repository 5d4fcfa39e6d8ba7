"""What an edge or a data centre is told: ``settings.json`` in its package. No secret stands there.

Written by `lab.cvb.recipe`. Lengths in metres of the site's plane, durations as names say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FILE = "settings.json"


@dataclass(frozen=True)
class Rectangle:
    """An area; its west and south sides belong to it."""

    west: float
    south: float
    east: float
    north: float

    def holds(self, x: float, y: float) -> bool:
        return self.west <= x < self.east and self.south <= y < self.north

    def distance(self, x: float, y: float) -> float:
        """From a position to the nearest place in it, along the farther axis; 0 within."""
        return max(self.west - x, x - self.east, self.south - y, y - self.north, 0.0)

    def touches(self, other: Rectangle) -> bool:
        """Whether they share a border, or ground."""
        return (
            self.west <= other.east
            and other.west <= self.east
            and self.south <= other.north
            and other.south <= self.north
        )


@dataclass(frozen=True)
class EdgePlace:
    """One edge: its name, the host of its endpoint, the area that it answers for."""

    name: str
    host: str
    area: Rectangle


@dataclass(frozen=True)
class Settings:
    """``digests``: role → SHA-256 (hex) of its token. The figures are the blueprint's.

    ``token_file``: where an edge finds the edges' own, from its account's home directory.
    """

    edges: tuple[EdgePlace, ...]
    digests: Mapping[str, str]
    token_file: str
    horizon_s: float
    radius_m: float
    episode_end_us: int
    merge_m: float
    moment_off_us: int
    detections: int
    batch_period_s: float
    batch_bound: int

    def at(self, host: str) -> EdgePlace:
        """The edge on a host; raises `KeyError`."""
        return {edge.host: edge for edge in self.edges}[host]

    def neighbours(self, of: EdgePlace) -> tuple[EdgePlace, ...]:
        """The edges whose areas touch that of one."""
        return tuple(
            edge for edge in self.edges if edge.name != of.name and edge.area.touches(of.area)
        )


def read(text: str) -> Settings:
    """Read a settings file; raises `ValueError` for what is none."""
    try:
        return _settings(json.loads(text))
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError) as error:
        raise ValueError(f"these are no settings of an edge or a data centre: {error!r}") from None


def _settings(given: dict[str, Any]) -> Settings:
    hazard, frame, batch = given["hazard"], given["frame"], given["batch"]
    return Settings(
        edges=tuple(
            EdgePlace(name, edge["host"], Rectangle(*edge["low"], *edge["high"]))
            for name, edge in given["edges"].items()
        ),
        digests=given["digests"],
        token_file=given["token_file"],
        horizon_s=hazard["horizon_ms"] / 1000,
        radius_m=hazard["radius_m"],
        episode_end_us=hazard["episode_end_ms"] * 1000,
        merge_m=given["merge_m"],
        moment_off_us=frame["moment_off_ms"] * 1000,
        detections=frame["detections"],
        batch_period_s=batch["period_ms"] / 1000,
        batch_bound=batch["bound"],
    )
