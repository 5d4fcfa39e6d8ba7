"""A roadside camera sees them, the edge works it out, the host vehicle is warned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from blueprints.cvb import figures
from blueprints.evidence import Evidence, WindowSpoilt
from lab.cvb import scenario as scenarios
from lab.cvb.play import Played, Tokens, play
from lab.cvb.roles import PUBLISHER, VEHICLE
from lab.cvb.site import Site
from lab.cvb.trial import new_app

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
    tokens = Tokens(site.token(PUBLISHER), site.token(VEHICLE))

    async def one(name: str, access: str | None) -> Played:
        own = new_app(site)
        for edge in site.addresses:
            own.at(edge).set_policy()
        link = None if access is None else figures().access[access]
        scenario = scenarios.load(scenarios.DIRECTORY / f"{name}.yaml")
        return await play(scenario, site.addresses, tokens, own.name, access=link)

    pairs = BESIDE_EACH_OTHER[which]
    return dict(zip(pairs, await asyncio.gather(*(one(*pair) for pair in pairs)), strict=True))


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


def first_that_tells(
    windows: Iterator[Several], pair: tuple[str, str | None], is_well: Callable[[Played], bool]
) -> Played:
    """The first window in which all is well, or which tells who is to blame (`Played.tells`).

    Who falls behind adds to latencies, and takes nothing from them: what is well all the same is
    so without it. Raises `WindowSpoilt` when there is no such window.
    """
    for window in windows:
        found = window[pair]
        if is_well(found) or found.tells(figures().slo.warning_p99_ms):
            return found
    raise WindowSpoilt("; ".join(found.spoilt_by))


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
    found = first_that_tells(windows("wired"), (name, None), lambda one: one.judged().flawless)
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
    found = first_that_tells(
        windows("mobile"), (name, access), lambda one: one.judged().flawless and in_time(one)
    )
    evidence.attach("played.json", told(found))
    with evidence.judge(f"over {access.upper()} no warning is missed, none is false, none is late"):
        judged = found.judged()
        assert judged.flawless, str(judged)
        samples = len(found.latencies_ms)
        evidence.check(evidence.measure("warning_p99", found.p99_ms, "ms", samples=samples))


def in_time(found: Played) -> bool:
    return found.p99_ms <= figures().slo.warning_p99_ms


@pytest.mark.criterion("CVB-29")
def test_warnings_come_in_time(windows: Windows, evidence: Evidence) -> None:
    found = first_that_tells(windows("crowded"), ("crowded", None), in_time)
    evidence.attach("played.json", told(found))
    with evidence.judge("99 of 100 warnings come in time, from the detection to the vehicle"):
        assert found.latencies_ms, "no warning came"
        samples = len(found.latencies_ms)
        evidence.check(evidence.measure("warning_p99", found.p99_ms, "ms", samples=samples))
