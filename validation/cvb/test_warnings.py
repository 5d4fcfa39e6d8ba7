"""A roadside camera sees them, the edge works it out, the host vehicle is warned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from blueprints.evidence import Evidence
from lab.cvb.play import Played, first_that_tells
from lab.cvb.site import Site
from lab.cvb.trial import play_anew

#: So often scenarios are played when a source or a vehicle fell behind, and not all was well.
WINDOWS = 3


#: Scenarios, and over which access (None: the lab's own network), that are played at once: each
#: by an application of its own, so that none hears of another.
BESIDE_EACH_OTHER: dict[str, tuple[tuple[str, str | None], ...]] = {
    "wired": tuple(
        (name, None)
        for name in (
            "hidden-pedestrian", "one-road", "near-misses", "roaming", "two-cameras",
            "neighbour-sees",
        )
    ),
    "mobile": tuple(
        (name, access) for name in ("hidden-pedestrian", "roaming") for access in ("4g", "5g")
    ),
    "crowded": (("crowded", None),),
}  # fmt: skip
Several = dict[tuple[str, str | None], Played]
Windows = Callable[[str], Iterator[Several]]


async def play_beside(site: Site, which: str) -> Several:
    pairs = BESIDE_EACH_OTHER[which]
    found = await asyncio.gather(*(play_anew(site, name, access=link) for name, link in pairs))
    return dict(zip(pairs, found, strict=True))


@pytest.fixture(scope="module")
def windows(site: Site) -> Windows:
    """Plays scenarios beside each other, again for each window; criteria share the windows."""
    kept: dict[str, list[Several]] = {which: [] for which in BESIDE_EACH_OTHER}

    def each(which: str) -> Iterator[Several]:
        for number in range(WINDOWS):
            if number == len(kept[which]):
                kept[which].append(asyncio.run(play_beside(site, which)))
            yield kept[which][number]

    return each


def told(found: Played) -> dict[str, object]:
    """What is kept as evidence."""
    return {
        "scenario": found.scenario.title,
        "frames": {name: dict(one.codes) for name, one in found.cameras.items()},
        "latencies_ms": found.latencies_ms,
        "judgement": str(found.judged()),
    }


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("hidden-pedestrian", marks=pytest.mark.criterion("CVB-20")),
        pytest.param("one-road", marks=pytest.mark.criterion("CVB-21")),
        pytest.param("near-misses", marks=pytest.mark.criterion("CVB-22")),
        pytest.param("roaming", marks=pytest.mark.criterion("CVB-26")),
        pytest.param("two-cameras", marks=pytest.mark.criterion("CVB-27")),
        pytest.param("neighbour-sees", marks=pytest.mark.criterion("CVB-28")),
    ],
)
def test_what_is_due_is_warned_of_and_nothing_else(
    name: str, windows: Windows, evidence: Evidence
) -> None:
    taken = (window[name, None] for window in windows("wired"))
    found = first_that_tells(taken, lambda one: one.judged().flawless)
    evidence.attach("played.json", told(found))
    with evidence.judge(f"{found.scenario.title}: no warning is missed, and none is false"):
        judged = found.judged()
        assert judged.flawless, str(judged)


@pytest.mark.parametrize(
    ("name", "access"),
    [
        pytest.param("hidden-pedestrian", "4g", marks=pytest.mark.criterion("CVB-30")),
        pytest.param("hidden-pedestrian", "5g", marks=pytest.mark.criterion("CVB-31")),
        pytest.param("roaming", "4g", marks=pytest.mark.criterion("CVB-32")),
        pytest.param("roaming", "5g", marks=pytest.mark.criterion("CVB-33")),
    ],
)
def test_mobile_access_warns_in_time(
    name: str, access: str, windows: Windows, evidence: Evidence
) -> None:
    taken = (window[name, access] for window in windows("mobile"))
    found = first_that_tells(taken, lambda one: one.judged().flawless and one.in_time)
    evidence.attach("played.json", told(found))
    with evidence.judge(f"over {access.upper()} no warning is missed, none is false, none is late"):
        judged = found.judged()
        assert judged.flawless, str(judged)
        samples = len(found.latencies_ms)
        evidence.check(evidence.measure("warning_p99", found.p99_ms, "ms", samples=samples))


@pytest.mark.criterion("CVB-29")
def test_warnings_come_in_time(windows: Windows, evidence: Evidence) -> None:
    taken = (window["crowded", None] for window in windows("crowded"))
    found = first_that_tells(taken, lambda one: one.in_time)
    evidence.attach("played.json", told(found))
    with evidence.judge("99 of 100 warnings come in time, from the detection to the vehicle"):
        assert found.latencies_ms, "no warning came"
        samples = len(found.latencies_ms)
        evidence.check(evidence.measure("warning_p99", found.p99_ms, "ms", samples=samples))
