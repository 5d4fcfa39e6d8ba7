"""Which detections are of one object: by a source's own names, else by kind and distance."""

from __future__ import annotations

import pytest

from lab.cvb.contracts import Detection, Frame, Kind
from lab.cvb.embedded.objects import Object, Objects, merged
from lab.cvb.trial import detection

MERGE_M = 1.5
FRAME_US = 100_000


@pytest.fixture
def objects() -> Objects:
    return Objects(MERGE_M)


def see(objects: Objects, number: int, *seen: Detection, source: str = "west") -> list[Object]:
    return objects.see(Frame(source, number, number * FRAME_US, "app", list(seen)))


def test_a_name_holds_within_its_source(objects: Objects) -> None:
    [first] = see(objects, 1, detection(0.0, 0.0, track="1"))
    [same] = see(objects, 9, detection(40.0, 0.0, track="1"))
    [other] = see(objects, 9, detection(-40.0, 0.0, track="1"), source="east")
    assert same is first
    assert other is not first


@pytest.mark.parametrize(("apart", "one"), [(1.4, True), (1.6, False)])
def test_two_sources_see_one_object_when_it_is_near(
    objects: Objects, apart: float, one: bool
) -> None:
    [first] = see(objects, 1, detection(0.0, 0.0, track="1"))
    [second] = see(objects, 1, detection(apart, 0.0, track="1"), source="east")
    assert (first is second) == one


def test_two_kinds_are_two_objects(objects: Objects) -> None:
    [first] = see(objects, 1, detection(0.0, 0.0))
    [second] = see(objects, 1, detection(0.1, 0.0, kind=Kind.CYCLIST), source="east")
    assert first is not second


def test_sources_are_compared_at_one_moment(objects: Objects) -> None:
    [first] = see(objects, 1, detection(0.0, 0.0, 15.0))
    [second] = see(objects, 3, detection(3.0, 0.0, 15.0), source="east")
    assert first is second


def test_two_of_one_frame_are_two(objects: Objects) -> None:
    first, second = see(objects, 1, detection(0.0, 0.0, track=""), detection(0.5, 0.0, track=""))
    assert first is not second
    again, other = see(objects, 2, detection(0.5, 0.0, track=""), detection(0.0, 0.0, track=""))
    assert {again, other} == {first, second}
    assert again is second


def test_who_parts_from_another_becomes_one_of_its_own(objects: Objects) -> None:
    [first] = see(objects, 1, detection(0.0, 0.0, track="1"))
    [both] = see(objects, 1, detection(1.0, 0.0, track="a"), source="east")
    assert both is first
    [first_again] = see(objects, 2, detection(0.0, 0.0, track="1"))
    [other] = see(objects, 2, detection(2.0, 0.0, track="a"), source="east")
    assert first_again is first
    assert other is not first


def test_an_episode_begins_once_and_again_after_its_end(objects: Objects) -> None:
    [walker] = see(objects, 1, detection(0.0, 0.0))
    moments = [0, 1_000_000, 3_000_000, 5_000_001]
    assert [walker.begins("car", at, 2_000_000) for at in moments] == [True, False, False, True]
    assert walker.begins("van", 1_000_000, 2_000_000)


def test_what_nobody_has_seen_for_long_is_forgotten(objects: Objects) -> None:
    see(objects, 1, detection(0.0, 0.0, track="1"))
    [kept] = see(objects, 50, detection(9.0, 0.0, track="2"))
    objects.prune(50 * FRAME_US, 2_000_000)
    assert list(objects.since(0)) == [kept]


def test_merging_leaves_out_what_is_there_already() -> None:
    own = [detection(0.0, 0.0)]
    near, far = detection(1.0, 0.0, track="n"), detection(2.0, 0.0, track="f")
    cyclist = detection(0.0, 0.0, kind=Kind.CYCLIST)
    assert merged(own, [near, far, cyclist], MERGE_M) == [*own, far, cyclist]
