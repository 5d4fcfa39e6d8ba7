"""What an edge is told, and what it has kept: read, or refused in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lab.cvb.contracts import Policy, Target
from lab.cvb.embedded import settings
from lab.cvb.embedded.policies import Policies
from lab.cvb.embedded.settings import EdgePlace, Rectangle

TOLD: dict[str, Any] = {
    "edges": {
        "a": {"host": "127.0.0.1", "low": [0, 0], "high": [10, 10]},
        "b": {"host": "127.0.0.2", "low": [10, 0], "high": [20, 10]},
        "c": {"host": "127.0.0.3", "low": [30, 0], "high": [40, 10]},
    },
    "digests": {"edge": "00"},
    "token_file": "token",
    "hazard": {"horizon_ms": 5000, "radius_m": 2.5, "episode_end_ms": 2000},
    "merge_m": 1.5,
    "frame": {"rate_hz": 10, "moment_off_ms": 5000, "detections": 1000},
    "batch": {"period_ms": 200, "bound": 50},
}


def test_neighbours_are_those_whose_areas_touch() -> None:
    told = settings.read(json.dumps(TOLD))
    here = told.at("127.0.0.1")
    assert here == EdgePlace("a", "127.0.0.1", Rectangle(0, 0, 10, 10))
    assert [edge.name for edge in told.neighbours(here)] == ["b"]


def test_a_border_belongs_to_one_area() -> None:
    west, east = Rectangle(0, 0, 10, 10), Rectangle(10, 0, 20, 10)
    assert (west.holds(10, 5), east.holds(10, 5)) == (False, True)
    assert (west.distance(13, 5), west.distance(5, 5)) == (3, 0)


NONE = ["", "[]", "7", "{}", "[" * 100_000, json.dumps({**TOLD, "hazard": []}), "[{}]", "[7]"]


@pytest.mark.parametrize("read", [settings.read, Policies.from_json], ids=["settings", "policies"])
@pytest.mark.parametrize("text", NONE, ids=lambda text: text[:12])
def test_what_is_none_is_refused_in_words(read: Callable[[str], object], text: str) -> None:
    if read == Policies.from_json and text in {"[]", "{}"}:
        assert not list(Policies.from_json(text))
        return
    with pytest.raises(ValueError, match=r"no settings|no policies|Expecting"):
        read(text)


def test_policies_are_read_as_they_were_written() -> None:
    policies = Policies()
    fallback = [Target.NEIGHBOUR]
    policies.set(Policy("app", 1, Target.LOCAL, 5, fallback, 0.25, 0, ["plate"], urgent=True))
    assert list(Policies.from_json(policies.to_json())) == list(policies)


def test_a_kept_policy_that_cannot_be_is_refused() -> None:
    policies = Policies()
    policies.set(Policy("app", 1, Target.LOCAL, 5, [], 0.25, 0, [], urgent=True))
    with pytest.raises(ValueError, match="out of range"):
        Policies.from_json(policies.to_json().replace("0.25", "25.0"))
